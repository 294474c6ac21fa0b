//! atomic: the old content or the new one, whatever fails or kills.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wgrad::data::atomic::{
    recover, recover_directory, remove_directory, write_directory, write_file, write_file_with,
};

use crate::train::{CHILD_FOLDER, child, names};

#[test]
fn a_file_is_replaced_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.bin");
    for content in ["first", "second, and longer", ""] {
        write_file(&path, content.as_bytes()).expect("the folder is writable");
        assert_eq!(fs::read_to_string(&path).expect("it was written"), content);
        assert_eq!(names(folder.path()), ["model.bin"]);
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, directory) = (folder.path().join("file"), folder.path().join("directory"));
    write_file(&file, b"old").expect("the folder is writable");
    write_directory(&directory, |at| fs::write(at.join("part"), "old")).expect("writable");

    let full = || io::Error::new(io::ErrorKind::StorageFull, "no space left on device");
    let error = write_file_with(&file, |writer| {
        writer.write_all(&vec![7; 1 << 20])?; // beyond the buffer: some of it reaches the file
        Err(full())
    });
    assert_eq!(error.expect_err("the writer failed").kind(), io::ErrorKind::StorageFull);
    let error = write_directory(&directory, |at| {
        fs::write(at.join("part"), "new")?;
        Err::<(), _>(full())
    });
    assert_eq!(error.expect_err("the writer failed").kind(), io::ErrorKind::StorageFull);

    assert_eq!(fs::read_to_string(&file).expect("untouched"), "old");
    assert_eq!(fs::read_to_string(directory.join("part")).expect("untouched"), "old");
    assert_eq!(names(folder.path()), ["directory", "file"]);
}

#[test]
fn an_error_names_the_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("missing").join("file");
    let error = write_file(&path, b"content").expect_err("there is no such folder");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(write_file(Path::new("/"), b"content").is_err());
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_what_is_no_file_stays() {
    use std::os::unix::fs::{FileTypeExt, symlink};

    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("disk")).and_then(|()| fs::write(at("disk/file"), "old")).expect("new");
    symlink("disk/file", at("link")).expect("the folder is writable");
    write_file(&at("link"), b"new").expect("the folder is writable");
    assert!(at("link").is_symlink(), "the link stays");
    assert_eq!(fs::read_to_string(at("disk/file")).expect("it leads there"), "new");
    assert_eq!(names(&at("disk")), ["file"]);

    let made = std::process::Command::new("mkfifo").arg(at("pipe")).status();
    assert!(made.expect("mkfifo is part of Unix").success());
    symlink("pipe", at("to_pipe")).expect("the folder is writable");
    for name in ["pipe", "to_pipe"] {
        let (pipe, reader) = (at(name), at(name));
        let reader = std::thread::spawn(move || fs::read_to_string(reader).expect("a pipe"));
        write_file(&pipe, b"through").expect("somebody reads");
        assert_eq!(reader.join().expect("the reader ends"), "through", "{name}");
        let is_pipe = fs::metadata(&pipe).expect("it is there").file_type().is_fifo();
        assert!(is_pipe, "{name} is no pipe any more");
    }
    assert_eq!(names(folder.path()), ["disk", "link", "pipe", "to_pipe"]);

    let error = write_file(&at("disk"), b"content").expect_err("a directory").to_string();
    assert!(error.contains("disk: "), "{error}");
}

#[test]
fn a_directory_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model");
    let fill = |name: &'static str| {
        move |at: &Path| -> io::Result<()> {
            fs::create_dir(at.join("inner"))?;
            fs::write(at.join("inner").join(name), name)
        }
    };
    write_directory(&path, fill("a")).expect("the folder is writable");
    write_directory(&path, fill("b")).expect("the folder is writable");
    assert_eq!(names(&path.join("inner")), ["b"]);
    assert_eq!(names(folder.path()), ["model"]);
    remove_directory(&path).expect("the folder is writable");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn recovery_undoes_every_moment_of_a_kill() {
    // (what lies in the folder, what lies there after recovery, content of model/part)
    let cases: [(&[&str], &[&str], &str); 4] = [
        (&["model", ".model.12-0.partial"], &["model"], "model"), // before the renames
        (&[".model.aside", ".model.12-0.partial"], &["model"], ".model.aside"), // between them
        (&["model", ".model.aside"], &["model"], "model"),        // after them
        (&["model"], &["model"], "model"),
    ];
    for (before, after, content) in cases {
        for recovery in [recover_directory, recover_model] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            for name in before {
                let path = folder.path().join(name);
                fs::create_dir(&path)
                    .and_then(|()| fs::write(path.join("part"), name))
                    .expect("new");
            }
            recovery(folder.path()).expect("the folder is writable");
            assert_eq!(names(folder.path()), after, "{before:?}");
            let part = fs::read_to_string(folder.path().join("model/part"));
            assert_eq!(part.expect("recovered"), content, "{before:?}");
        }
    }
}

fn recover_model(folder: &Path) -> io::Result<()> {
    recover(&folder.join("model"))
}

#[test]
fn recovery_touches_nobody_elses_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let foreign = [".hidden", ".model.bin.1-2.partial", ".model.x.partial", "model.1-2.partial"];
    for name in foreign {
        fs::write(folder.path().join(name), "kept").expect("the folder is writable");
    }
    write_file(&folder.path().join("model"), b"new").expect("the folder is writable");
    let mut expected: Vec<&str> = foreign.into_iter().chain(["model"]).collect();
    expected.sort_unstable();
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn a_kill_at_any_time_leaves_a_whole_directory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("model");
    write_directory(&model, |at| fill_with(at, 0)).expect("the folder is writable");
    for milliseconds in [20, 35, 50, 65, 80] {
        let mut writer = child("data::atomic::write_for_ever", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("this binary runs");
        std::thread::sleep(Duration::from_millis(milliseconds));
        writer.kill().expect("the child still runs: it never ends by itself");
        writer.wait().expect("the child was started here");
        recover(&model).expect("the folder is writable");
        let contents = ["a", "b", "c"].map(|name| fs::read(model.join(name)).expect("whole"));
        assert!(contents.iter().all(|content| *content == contents[0]), "mixed generations");
        assert_eq!(contents[0].len(), 20_000);
        assert_eq!(names(folder.path()), ["model"]);
    }
}

#[test]
fn write_for_ever() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER).map(PathBuf::from) else {
        return;
    };
    for generation in 1_u8.. {
        write_directory(&folder.join("model"), |at| fill_with(at, generation)).expect("writable");
        if generation == u8::MAX {
            return write_for_ever();
        }
    }
}

fn fill_with(directory: &Path, generation: u8) -> io::Result<()> {
    ["a", "b", "c"]
        .iter()
        .try_for_each(|name| fs::write(directory.join(name), [generation; 20_000]))
}

/// A file may grow to 8 blocks of 512 bytes (POSIX `ulimit -f`); the write is refused as on a full disk.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_leaves_the_old_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("file"), "old").expect("the folder is writable");
    let test = child("data::atomic::write_too_much", folder.path());
    let mut shell = std::process::Command::new("sh");
    // An ignored signal stays ignored in the program that follows; the write then fails instead.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]).arg(test.get_program());
    let output = shell.args(test.get_args()).env(CHILD_FOLDER, folder.path()).output();
    let output = output.expect("there is a POSIX shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("refused: "), "{text}");
    assert_eq!(fs::read_to_string(folder.path().join("file")).expect("untouched"), "old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn write_too_much() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER).map(PathBuf::from) else {
        return;
    };
    let error = write_file(&folder.join("file"), &[1; 1_000_000]).expect_err("the limit is 4 KiB");
    assert!(error.to_string().contains("file: "), "{error}");
    println!("refused: {error}");
}
