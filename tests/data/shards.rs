//! Blocks in memory and in a shard on disk.

use std::fs;

use wgrad::data::shards::{FILE_NAME, prepare};
use wgrad::data::text::TextLayout;
use wgrad::data::{SpanPairs, TokenBlocks, Tokenizer};

use super::{blocks, document, shared, small_tokenizer, wikipedia};

#[test]
fn splits_long_documents_and_keeps_short_ones() {
    let long = "cat ".repeat(25);
    let tail = "dog ".repeat(17);
    let blocks = blocks(&["cat", &long, "   ", &tail], 12);
    let lengths: Vec<usize> = (0..blocks.len()).map(|i| blocks.get(i).len()).collect();
    // 25 = 10 + 10 + 5, and 5 < 8 is dropped; 17 = 10 + 7 likewise; a short document is kept whole.
    assert_eq!(lengths, [1, 10, 10, 10]);
    assert_eq!(blocks.n_documents(), 3);
    assert_eq!(blocks.document(1), 1..3);
    assert_eq!(blocks.n_tokens(), 31);
    let spans = SpanPairs::new(&blocks, 1);
    assert_eq!(spans.len(), 1);
    assert_eq!([1, 3, 4].map(|block| spans.before(&blocks, block)), [0, 1, 1]);
    let mut drawn = spans.draw(&blocks, 0, &[0]);
    drawn.sort();
    assert_eq!(drawn, [1, 2]);
}

#[test]
fn shard_holds_what_memory_holds() {
    let small = small_tokenizer();
    // 65,537 tokens need four bytes an id.
    let large: Vec<String> = (0..5)
        .map(|id| small.token(id).to_owned())
        .chain(["cat".to_owned()])
        .chain((6..65_536).map(|id| format!("w{id}")))
        .chain(["dog".to_owned()])
        .collect();
    let large = Tokenizer::uncased(&large, "large".as_ref()).unwrap();
    for (tokenizer, id_bytes) in [(&small, 2), (&large, 4)] {
        let dir = tempfile::tempdir().unwrap();
        let texts = ["cat dog cat dog", &"dog ".repeat(40), "cat"];
        let documents = || texts.iter().map(|text| document(text));
        prepare(documents(), tokenizer, 16, dir.path(), |_| ()).unwrap();
        let again = Tokenizer::load(dir.path()).unwrap();
        let mapped =
            TokenBlocks::load(dir.path(), TextLayout::default(), &again, 16, |_| ()).unwrap();
        let memory = TokenBlocks::from_documents(documents(), tokenizer, 16, |_| ()).unwrap();
        assert_eq!((mapped.len(), mapped.n_documents()), (memory.len(), memory.n_documents()));
        for index in 0..memory.len() {
            assert_eq!(mapped.get(index), memory.get(index));
            assert_eq!(mapped.block_length(index), memory.block_length(index));
        }
        for index in 0..memory.n_documents() {
            assert_eq!(mapped.document(index), memory.document(index));
        }
        let bytes = fs::metadata(dir.path().join(FILE_NAME)).unwrap().len();
        let ids = (mapped.n_tokens() * id_bytes).next_multiple_of(8);
        assert_eq!(bytes, 64 + ids + 8 * (mapped.len() as u64 + 1 + 3 + 1));
    }
}

#[test]
fn names_what_is_wrong_with_a_shard() {
    let tokenizer = small_tokenizer();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    prepare([document(&"cat dog ".repeat(40))], &tokenizer, 32, dir.path(), |_| ()).unwrap();
    let whole = fs::read(&path).unwrap();
    let load = |tokenizer: &Tokenizer, max_length| {
        TokenBlocks::load(dir.path(), TextLayout::default(), tokenizer, max_length, |_| ())
            .map(|blocks| blocks.len())
            .map_err(|error| error.to_string())
    };
    let other: Vec<String> = (0..6).map(|id| tokenizer.token(id).to_owned()).collect();
    let other = Tokenizer::uncased(&other, "other".as_ref()).unwrap();
    assert!(load(&other, 32).unwrap_err().contains("another one (23 tokens)"));
    assert!(load(&tokenizer, 16).unwrap_err().contains("run `wgrad prepare --max-length 16`"));
    assert_eq!(load(&tokenizer, 64), Ok(3)); // 80 = 30 + 30 + 20

    let broken = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let message = load(&tokenizer, 32).unwrap_err();
        assert!(message.contains(expected) && message.contains(FILE_NAME), "{message}");
    };
    broken(&|bytes| bytes.clear(), "expected 64 bytes, found 0");
    broken(&|bytes| bytes.truncate(bytes.len() - 1), "truncated: expected 272 bytes, found 271");
    broken(&|bytes| bytes.push(0), "as long as its header says");
    broken(&|bytes| bytes[0] = b'X', "a token shard of `wgrad prepare`");
    broken(&|bytes| bytes[8] = 9, "version 9");
    broken(&|bytes| bytes[47] = 255, "as long as its header says");
    broken(&|bytes| bytes[240] ^= 1, "checksum");
    broken(&|bytes| bytes[16] ^= 1, "checksum");
}

#[test]
fn nothing_half_written_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = small_tokenizer();
    let broken =
        || Err(wgrad::data::Error::Missing { path: "gone".into(), expected: "text".into() });
    let failed = prepare([document("cat"), broken()], &tokenizer, 16, dir.path(), |_| ());
    assert!(failed.unwrap_err().to_string().contains("gone"));
    let empty = prepare([document("  ")], &tokenizer, 16, dir.path(), |_| ());
    assert!(empty.unwrap_err().to_string().contains("documents with text"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn tokenizes_real_text_quickly() {
    let Some((_, blocks)) = wikipedia(2000, 128) else { return };
    let path = shared("pretrain/wiki-en-2014.heldout.txt").unwrap();
    let tokenizer = Tokenizer::load(&shared("tokenizers/bert-base-uncased").unwrap()).unwrap();
    let clock = std::time::Instant::now();
    let loaded =
        TokenBlocks::load(&path, TextLayout::BlankLineBetween, &tokenizer, 128, |_| ()).unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    println!("{} tokens in {seconds:.2} s, {} blocks", loaded.n_tokens(), loaded.len());
    assert!(loaded.n_tokens() > blocks.n_tokens());
}
