//! Files that pretend to be PyTorch's: each is refused in one line, and none runs, panics or fills the memory.

use std::fs;
use std::path::Path;

use wgrad::checkpoint::pytorch::parse;

/// A zip archive of stored entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let (start, size) = (bytes.len() as u32, (content.len() as u32).to_le_bytes());
        let sizes =
            [&[0; 4][..], &size, &size, &(name.len() as u16).to_le_bytes(), &[0; 2]].concat();
        bytes.extend([b"PK\x03\x04", &[0; 10][..], &sizes, name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02", &[0; 12][..], &sizes, &[0; 10]].concat());
        directory.extend([&start.to_le_bytes(), name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let places = [directory.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat();
    let end = [b"PK\x05\x06", &[0; 4][..], &count, &count, &places, &[0; 2]].concat();
    [bytes, directory, end].concat()
}

/// A file of this pickle and of one storage of six f32, `data/0`.
fn file(pickle: &[u8]) -> Vec<u8> {
    archive(&[("m/data.pkl", pickle), ("m/data/0", &[0; 24])])
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn integers(values: &[i64]) -> Vec<u8> {
    let each = values.iter().flat_map(|value| [b"\x8a\x08", &value.to_le_bytes()[..]].concat());
    [b"(".to_vec(), each.collect(), b"t".to_vec()].concat()
}

/// A tensor of a storage of `elements` f32, before it is put under a name.
fn tensor(key: &str, elements: i64, offset: i64, size: &[i64], stride: &[i64]) -> Vec<u8> {
    let integer = |value: i64| [b"\x8a\x08", &value.to_le_bytes()[..]].concat();
    let storage = [
        b"(".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text(key),
        text("cpu"),
        integer(elements),
        b"tQ".to_vec(),
    ];
    let parts = [
        b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec(),
        storage.concat(),
        integer(offset),
        integers(size),
        integers(stride),
        b"\x89Nt".to_vec(),
        b"R".to_vec(),
    ];
    parts.concat()
}

/// A dictionary of one tensor.
fn named(tensor: Vec<u8>) -> Vec<u8> {
    [b"\x80\x02}".to_vec(), text("weight"), tensor, b"s.".to_vec()].concat()
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = parse(bytes).expect_err(expected);
    assert!(error.contains(expected), "expected {expected}, found {error}");
    assert!(!error.contains('\n') && error.len() < 600, "{error}");
}

#[test]
fn a_good_file_of_the_same_hand_is_read() {
    let tensors = parse(&file(&named(tensor("0", 6, 0, &[2, 3], &[3, 1])))).expect("nothing wrong");
    assert_eq!(tensors["weight"].shape, [2, 3]);
}

#[test]
fn every_function_but_those_of_tensors_is_refused_by_name() {
    for (pickle, name) in [
        (&b"\x80\x02cposix\nsystem\n(X\x02\0\0\0lstR."[..], "`posix.system`"),
        (b"cbuiltins\neval\n.", "`builtins.eval`"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "`os.system`"),
        (b"ctorch._utils\n_rebuild_tensor_v3\n.", "`torch._utils._rebuild_tensor_v3`"),
        (b"ctorch\nload\n.", "`torch.load`"),
        (b"c__torch__.m\nModel\n.", "`__torch__.m.Model`"),
        (b"ccollections\nOrderedDict.pop\n.", "`collections.OrderedDict.pop`"),
    ] {
        refused(&file(pickle), name);
    }
    // Instructions that make objects by other ways are not known at all.
    for code in [b'i', b'o', b'P', 0x81, 0x82, 0x83, 0x84, 0x92, b'S', b'V', b'F', b'I', 0x8b, 0xff]
    {
        refused(&file(&[0x80, 2, code, b'.']), &format!("instruction {code:#04x}"));
    }
}

#[test]
fn a_known_function_takes_only_its_own_arguments() {
    for pickle in [
        &b"ccollections\nOrderedDict\n)\x85R."[..],
        b"ctorch\nFloatStorage\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch._utils\n_rebuild_parameter\nK\x01\x85R.",
    ] {
        refused(&file(pickle), "other arguments");
    }
    refused(&file(b"K\x01)R."), "no function");
    refused(&file(b"K\x01Nb."), "no dictionary");
    refused(&file(b"K\x01Q."), "an integer where a tuple should be");
    refused(&file(b"K\x01\x85Q."), "something else than a storage");
}

#[test]
fn a_pickle_that_is_no_program_is_refused() {
    for (pickle, expected) in [
        (&b""[..], "ends too early"),
        (b"\x80", "ends too early"),
        (b".", "more from the stack"),
        (b"t.", "never opened"),
        (b"K\x01K\x01(\x86t.", "more from the stack"),
        (b"0.", "instruction 0x30"),
        (b"h\x07.", "never remembered"),
        (b"j\xff\xff\xff\xff.", "never remembered"),
        (b"q\0.", "more from the stack"),
        (b"X\xff\xff\xff\xffa.", "ends too early"),
        (b"\x8c\x02\xff\xfe.", "utf-8"),
        (b"\x8a\xff.", "ends too early"),
        (b"\x8a\x0900000000\0.", "integer of 9 bytes"),
        (b"]K\x01K\x02s.", "no list and no dictionary"),
        (b"}(K\x01u.", "no list and no dictionary"),
        (b"cnothing", "ends too early"),
        (b"K\x01.", "found an integer"),
        (b"}K\x01K\x02s.", "keys are no texts"),
        (b"}X\x01\0\0\0aK\x02s.", "an integer under `a`"),
    ] {
        refused(&file(pickle), expected);
    }
    refused(&file(&[b"c", &[b'a'; 5000][..], b"\n"].concat()), "name of 5000 bytes");
}

#[test]
fn nesting_and_repeating_cost_no_more_than_the_file() {
    let many = 1 << 20;
    refused(&file(&vec![b'('; many]), "nests more than 64 deep");
    // A tuple in a tuple in a tuple: dropping it must not recurse.
    refused(&file(&[&b")"[..], &vec![0x85; many], b"."].concat()), "found a tuple");
    // A list that holds itself, and lists that hold the one before ten times over.
    refused(&file(b"]q\0h\0a."), "found a list");
    let doubling = |i: u8| [&b"]("[..], &[b'h', i].repeat(10), b"e", &[b'q', i + 1]].concat();
    let laughs = (0..40).flat_map(doubling).collect::<Vec<u8>>();
    refused(&file(&[&b"]q\0"[..], &laughs, b"."].concat()), "found a list");
    let memo = (0..many as u32 + 1).flat_map(|i| [&b"r"[..], &i.to_le_bytes()].concat());
    refused(&file(&[b"N".to_vec(), memo.collect()].concat()), "remembers more than");
    refused(&file(&vec![b'N'; (1 << 24) + 1]), "MiB");
    // A hundred names of one tensor take more memory than a file of this size may ask for.
    let big = tensor("0", 6000, 0, &[6000], &[1]);
    let once = [b"}".to_vec(), text("t"), big, b"q\0s".to_vec()].concat();
    let again = (0..100).flat_map(|i| [text(&format!("t{i}")), b"h\0s".to_vec()].concat());
    let pickle = [once, again.collect(), b".".to_vec()].concat();
    let bytes = archive(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 24000])]);
    refused(&bytes, "too many over the same numbers");
}

#[test]
fn a_tensor_beyond_its_storage_is_refused() {
    let huge = 1 << 62;
    for (tensor, expected) in [
        (tensor("0", 6, 1, &[6], &[1]), "beyond its storage"),
        (tensor("0", 6, 0, &[2, 3], &[4, 1]), "beyond its storage"),
        (tensor("0", 6, 6, &[], &[]), "beyond its storage"),
        (tensor("0", 6, huge, &[2], &[huge]), "beyond its storage"),
        (tensor("0", 6, 0, &[3, 2], &[huge, huge]), "beyond its storage"),
        (tensor("0", 6, 0, &[1 << 40], &[0]), "which repeats them"),
        (tensor("0", 6, 0, &[huge, huge], &[0, 0]), "which repeats them"),
        (tensor("0", 6, 0, &[2, 3], &[1]), "expected as many"),
        (tensor("0", 6, 0, &[1; 9], &[1; 9]), "9 axes"),
        (tensor("0", 6, -1, &[1], &[1]), "negative size"),
        (tensor("0", 6, 0, &[-1], &[1]), "negative size"),
        (tensor("0", 6, 0, &[2], &[-1]), "negative size"),
        (tensor("0", -6, 0, &[2], &[1]), "negative size"),
        (tensor("0", 7, 0, &[2], &[1]), "expected 7 numbers of 4 bytes, found 24 bytes"),
        (tensor("0", huge, 0, &[2], &[1]), "found 24 bytes"),
        (tensor("1", 6, 0, &[2], &[1]), "data/1, which the archive lacks"),
        (tensor("../data.pkl", 6, 0, &[2], &[1]), "which the archive lacks"),
    ] {
        refused(&file(&named(tensor)), expected);
    }
    // No element, no place to be beyond.
    let empty = parse(&file(&named(tensor("0", 6, 6, &[0, 2], &[1, 1])))).expect("nothing wrong");
    assert_eq!(empty["weight"].shape, [0, 2]);
}

#[test]
fn an_archive_that_lies_is_refused() {
    let good = file(&named(tensor("0", 6, 0, &[6], &[1])));
    let directory = good.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
    let changed = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let end = good.len() - 22;
    refused(&changed(directory + 10, &[8]), "is compressed or encrypted");
    refused(&changed(directory + 8, &[1]), "is compressed or encrypted");
    refused(&changed(directory + 20, &[1]), "no whole zip archive");
    refused(&changed(directory + 24, &[0xfe; 4]), "no whole zip archive");
    refused(&changed(directory + 42, &[0xfe; 4]), "no whole zip archive");
    refused(&changed(directory + 42, &[0xff; 4]), "no whole zip archive");
    refused(&changed(end + 10, &[9]), "no whole zip archive");
    refused(&changed(end + 10, &[0xff; 2]), "no whole zip archive");
    refused(&changed(end + 16, &[0xfe; 4]), "no whole zip archive");
    refused(&changed(end + 16, &[0xff; 4]), "no whole zip archive");
    refused(&archive(&[("m/data/0", &[0; 24])]), "without data.pkl");
    refused(&archive(&[("m/data.pkl", b"}."), ("n/data.pkl", b"}.")]), "there twice");
    refused(&archive(&[("m/data.pkl", b"}."), ("m/byteorder", b"big")]), "big-endian");
    refused(b"", "truncated");
    refused(&[0; 100], "truncated");
}

/// Every prefix of a file and every byte of it changed: an error or other numbers, never a panic.
#[test]
fn damage_anywhere_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch_files");
    for name in ["kinds.bin", "protocol_4.bin"] {
        let whole = fs::read(folder.join(name)).expect("a fixture");
        for length in 0..whole.len() {
            parse(&whole[..length]).expect_err("a part of a file");
        }
        let mut refused = 0;
        for at in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                refused += usize::from(parse(&damaged).is_err());
            }
        }
        assert!(refused > whole.len() / 2, "{refused} of {} changes were noticed", 3 * whole.len());
    }
}
