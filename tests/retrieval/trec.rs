//! trec: what is written is read again in the same order, and a bad line is named.

use std::fs;

use tempfile::tempdir;
use wgrad::retrieval::trec::{
    Error, Qrels, Run, rank, read_qrels, read_run, write_msmarco_run, write_qrels, write_run,
};

use super::{hits, judgments};

#[test]
fn reads_every_layout() {
    let dir = tempdir().expect("a temporary folder");
    let path = dir.path().join("file");

    fs::write(&path, "1 Q0 d1 7 2.5 tag\n\n1\tQ0\td2\t0\t-3e-1\ttag\r\n2 Q0 d1 1 4 tag").unwrap();
    let run = read_run(&path).unwrap();
    assert_eq!(run["1"], hits(&[("d1", 2.5), ("d2", -0.3)]));
    assert_eq!(run["2"], hits(&[("d1", 4.0)]));

    fs::write(&path, "1\td2\t2\n1\td1\t1\n").unwrap();
    let run = read_run(&path).unwrap();
    assert_eq!(rank(&run["1"])[0].docid, "d1");

    let expected = Qrels::from([
        ("1".into(), judgments(&[("d1", 1), ("d2", 0)])),
        ("2".into(), judgments(&[("d1", -1)])),
    ]);
    for (layout, text) in [
        ("TREC", "1 0 d1 1\n1 0 d2 0\n2 0 d1 -1\n"),
        ("MS MARCO", "1\t0\td1\t1\n1\t0\td2\t0\n2\t0\td1\t-1\n"),
        ("BEIR", "query-id\tcorpus-id\tscore\n1\td1\t1\n1\td2\t0\n2\td1\t-1\n"),
        ("repeated lines that agree", "1 0 d1 1\n1 0 d1 1\n1 0 d2 0\n2 0 d1 -1\n"),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(read_qrels(&path).unwrap(), expected, "{layout}");
    }
}

#[test]
fn a_written_run_has_one_order_for_every_reader() {
    let dir = tempdir().expect("a temporary folder");
    let path = dir.path().join("run.trec");
    let close = [("a", 0.5), ("c", 0.5), ("b", 0.5), ("z", 0.5f32.next_up()), ("y", -1e-30)];
    let run = Run::from([("q".into(), hits(&close)), ("p".into(), hits(&[("d", 1e20)]))]);
    write_run(&path, &run, "wgrad").unwrap();

    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines[0], ["p", "Q0", "d", "1", "100000000000000000000", "wgrad"]);
    let docids: Vec<&str> = lines[1..].iter().map(|fields| fields[2]).collect();
    assert_eq!(docids, ["z", "c", "b", "a", "y"]);
    let scores: Vec<f32> = lines[1..].iter().map(|fields| fields[4].parse().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a > b), "written scores must not tie: {scores:?}");

    let again = dir.path().join("again.trec");
    write_run(&again, &read_run(&path).unwrap(), "wgrad").unwrap();
    assert_eq!(fs::read_to_string(&again).unwrap(), text, "writing what was read changes nothing");

    write_msmarco_run(&path, &run).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().nth(1), Some("q\tz\t1"));
    let order = |run: &Run| rank(&run["q"]).iter().map(|hit| hit.docid.clone()).collect::<Vec<_>>();
    assert_eq!(order(&read_run(&path).unwrap()), order(&run));
}

#[test]
fn judgments_survive_writing() {
    let dir = tempdir().expect("a temporary folder");
    let path = dir.path().join("qrels.txt");
    let qrels = Qrels::from([("q".into(), judgments(&[("b", 2), ("a", -1)]))]);
    write_qrels(&path, &qrels).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "q 0 a -1\nq 0 b 2\n");
    assert_eq!(read_qrels(&path).unwrap(), qrels);
}

#[test]
fn a_bad_run_names_its_line() {
    let cases: [(&[u8], &str); 7] = [
        (b"1 Q0 d1 1 2 t\n1 Q0 d2 2 x t\n", ":2: expected a number as score, found \"x\""),
        (b"1 Q0 d1 1 NaN t\n", ":1: expected a finite score, found \"NaN\""),
        (
            b"1 Q0 d1 1 2 t\n1 Q0 d1 2 1 t\n",
            ":2: expected each document once a query, found \"d1\"",
        ),
        (
            b"1 Q0 d1 1 2 t\n\n1 d2 2\n",
            ":3: expected as many fields as in the first line, found \"1 d2 2\"",
        ),
        (b"1 d2 -2\n", ":1: expected a whole-number rank, found \"-2\""),
        (b"1 d\xff 1\n", ":1: expected UTF-8 text, found \"1 d\u{fffd} 1\\n\""),
        (
            b" \n",
            ": expected `qid Q0 docid rank score tag` (TREC) or `qid docid rank` (MS MARCO), \
             found an empty file",
        ),
    ];
    check_errors(&cases, |path| read_run(path).unwrap_err());
    let long = error_of(&[b'x'; 500], |path| read_run(path).unwrap_err());
    assert!(long.len() < 400, "a long line is cut: {long}");
    let missing = read_run("missing".as_ref()).unwrap_err();
    assert!(matches!(&missing, Error::Io { .. }), "{missing}");
}

#[test]
fn bad_judgments_name_their_line() {
    let cases: [(&[u8], &str); 4] = [
        (b"1 0 d1 1\n1 0 d2 yes\n", ":2: expected an integer judgment, found \"yes\""),
        (b"1 0 d1 1\n1 0 d1 2\n", ":2: expected one judgment a document, found \"1 0 d1 2\""),
        (
            b"query-id\tcorpus-id\tscore\n1\td1\n",
            ":2: expected `query-id\u{21e5}corpus-id\u{21e5}score`, found \"1\\td1\"",
        ),
        (
            b"1 d1 1\n",
            ":1: expected `qid iter docid judgment` (TREC, MS MARCO) or the header \
             `query-id corpus-id score` (BEIR), found \"1 d1 1\"",
        ),
    ];
    check_errors(&cases, |path| read_qrels(path).unwrap_err());
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = tempdir().expect("a temporary folder");
    let path = dir.path().join("run.trec");
    fs::write(&path, "old").unwrap();
    let run = Run::from([("q".into(), hits(&[("two words", 1.0)]))]);
    let error = write_run(&path, &run, "wgrad").unwrap_err();
    assert!(matches!(&error, Error::Id { id, .. } if id == "two words"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");

    let nowhere = dir.path().join("missing").join("run.trec");
    assert!(matches!(write_run(&nowhere, &Run::new(), "wgrad"), Err(Error::Write(_))));
    fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(write_run(&dir.path().join("folder"), &Run::new(), "wgrad").is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays behind");
}

#[track_caller]
fn check_errors(cases: &[(&[u8], &str)], read: impl Fn(&std::path::Path) -> Error) {
    for (content, expected) in cases {
        assert_eq!(error_of(content, &read), *expected);
    }
}

/// The message for a file of `content`, without the file's name at its beginning.
fn error_of(content: &[u8], read: impl Fn(&std::path::Path) -> Error) -> String {
    let dir = tempdir().expect("a temporary folder");
    let path = dir.path().join("bad");
    fs::write(&path, content).unwrap();
    let message = read(&path).to_string();
    message.strip_prefix(&path.display().to_string()).expect("the file is named first").to_owned()
}
