//! The tokenizer against `tokenizers` itself, between its two file formats, and its training.

use std::fs;

use wgrad::data::wordpiece::train_wordpiece;
use wgrad::data::{Side, Tokenizer};

use super::{shared, small_tokenizer};

#[test]
fn vocab_txt_and_tokenizer_json_agree() {
    let Some(dir) = shared("tokenizers/bert-base-uncased") else { return };
    let Some(text) = shared("pretrain/wiki-en-2014.heldout.txt") else { return };
    let bare = tempfile::tempdir().unwrap();
    fs::copy(dir.join("vocab.txt"), bare.path().join("vocab.txt")).unwrap();
    let whole = Tokenizer::load(&dir).unwrap();
    let from_vocab = Tokenizer::load(bare.path()).unwrap();
    let saved = tempfile::tempdir().unwrap();
    from_vocab.save(saved.path(), 512).unwrap();
    let again = Tokenizer::load(saved.path()).unwrap();
    let library = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();

    let text = fs::read_to_string(text).unwrap();
    let odd =
        ["", "  ", "naïve Ünïcode 東京 ﬁ\u{0}\u{fffd}x", "[MASK] and [SEP]", &"x".repeat(101)];
    let lines: Vec<&str> = text.lines().take(1000).chain(odd).collect();
    for line in &lines {
        let ids = whole.encode(line, 64);
        assert_eq!(ids, from_vocab.encode(line, 64), "{line}");
        assert_eq!(ids, again.encode(line, 64), "{line}");
        let mut expected = library.encode_fast(*line, true).unwrap().get_ids().to_vec();
        if expected.len() > 64 {
            expected.truncate(63);
            expected.push(102);
        }
        assert_eq!(ids, expected, "{line}");
    }
    assert_eq!(
        whole.encode_batch(Side::Passage, &lines, 64),
        lines.iter().map(|l| whole.encode(l, 64)).collect::<Vec<_>>()
    );
    assert_eq!(whole.vocab_size(), 30522);
    assert_eq!(whole.special().all(), [0, 100, 101, 102, 103]);
    assert_eq!(whole.fingerprint(), again.fingerprint());
    let vocab = fs::read_to_string(saved.path().join("vocab.txt")).unwrap();
    assert_eq!(vocab, fs::read_to_string(dir.join("vocab.txt")).unwrap());
}

#[test]
fn knows_ids_of_bert_base_uncased() {
    let Some(dir) = shared("tokenizers/bert-base-uncased") else { return };
    let tokenizer = Tokenizer::load(&dir).unwrap();
    // Printed by transformers 4.57.6 (tokenizers 0.22.2): BertTokenizerFast over this vocab.txt, input_ids of the text.
    let ids = tokenizer.encode("Hello, world! unaffable", 64);
    assert_eq!(ids, [101, 7592, 1010, 2088, 999, 14477, 20961, 3468, 102]);
    let continued: Vec<&str> = ids
        .iter()
        .filter(|&&id| tokenizer.is_continuation(id))
        .map(|&id| tokenizer.token(id))
        .collect();
    assert_eq!(continued, ["##ffa", "##ble"]);
}

#[test]
fn cuts_pairs_as_the_library_does() {
    let Some(dir) = shared("tokenizers/bert-base-uncased") else { return };
    let tokenizer = Tokenizer::load(&dir).unwrap();
    let mut library = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
    for max_length in 4..16 {
        let cut = tokenizers::TruncationParams { max_length, ..Default::default() };
        library.with_truncation(Some(cut)).unwrap();
        for (first, second) in [(0, 5), (1, 9), (3, 3), (4, 5), (5, 4), (9, 1), (9, 9), (12, 0)] {
            let (a, b) = ("cat ".repeat(first), "dog ".repeat(second));
            let expected = library.encode((a.as_str(), b.as_str()), true).unwrap();
            let (ids, boundary) = tokenizer.encode_pair(&a, &b, max_length);
            assert_eq!(ids, expected.get_ids(), "{first} and {second} words in {max_length}");
            let of_first = expected.get_type_ids().iter().filter(|&&kind| kind == 0).count();
            assert_eq!(boundary, of_first, "{first} and {second} words in {max_length}");
        }
    }
}

#[test]
fn names_what_is_wrong_with_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let message = |content: Option<(&str, &str)>| {
        if let Some((name, content)) = content {
            fs::write(dir.path().join(name), content).unwrap();
        }
        Tokenizer::load(dir.path()).unwrap_err().to_string()
    };
    assert!(message(None).contains("tokenizer.json or vocab.txt"));
    assert!(message(Some(("vocab.txt", ""))).contains("vocab.txt: empty"));
    assert!(message(Some(("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"))).contains("[MASK]"));
    let config = ("tokenizer_config.json", "{\n\"do_lower_case\": 3}");
    assert!(message(Some(config)).contains("tokenizer_config.json:2"));
    assert!(
        message(Some(("tokenizer.json", "{"))).contains("tokenizer.json: expected a tokenizer")
    );
}

#[test]
fn trains_the_same_vocabulary_every_time() {
    let text = "low low low low low lower lower newest newest newest newest newest newest widest widest widest";
    let train = |size| train_wordpiece([Ok(text.to_owned())], size, |_| ()).unwrap();
    let tokenizer = train(25);
    // By hand: 5 special tokens, 10 letters, 8 letters inside words. `##e ##s` and `##s ##t` are each seen 9 times
    // (6 newest, 3 widest), most of all; the tie goes to the smaller pair of ids. Then `##es ##t`, 9 times.
    let tokens: Vec<&str> =
        (0..tokenizer.vocab_size()).map(|id| tokenizer.token(id as u32)).collect();
    assert_eq!(tokens[..5], ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    assert_eq!(tokens[5..15], ["d", "e", "i", "l", "n", "o", "r", "s", "t", "w"]);
    assert_eq!(tokens[15..23], ["##d", "##e", "##i", "##o", "##r", "##s", "##t", "##w"]);
    assert_eq!(tokens[23..], ["##es", "##est"]);
    assert_eq!(tokenizer.encode("newest", 8).len(), 6); // [CLS] n ##e ##w ##est [SEP]

    let small = train_wordpiece([Ok(text.to_owned())], 20, |_| ()).unwrap_err().to_string();
    assert!(small.contains("at least 23"), "{small}");
    let none = train_wordpiece([Ok("   ".to_owned())], 20, |_| ()).unwrap_err().to_string();
    assert!(none.contains("empty"), "{none}");
}

#[test]
fn trains_on_real_text_with_any_number_of_threads() {
    let Some(path) = shared("pretrain/wiki-en-2014.heldout.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let train = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let lines = || text.lines().map(|line| Ok(line.to_owned()));
        let tokenizer = pool.install(|| train_wordpiece(lines(), 4000, |_| ())).unwrap();
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path(), 512).unwrap();
        (tokenizer, fs::read(dir.path().join("tokenizer.json")).unwrap())
    };
    let (tokenizer, one) = train(1);
    let (_, three) = train(3);
    assert_eq!(one, three);
    assert_eq!(tokenizer.vocab_size(), 4000);
    let lines: Vec<&str> = text.lines().take(500).collect();
    let words: usize = lines.iter().map(|line| line.split_whitespace().count()).sum();
    let ids: Vec<u32> = lines.iter().flat_map(|line| tokenizer.encode_plain(line)).collect();
    let unknown = ids.iter().filter(|&&id| id == 1).count();
    println!("4000 tokens: {:.2} a word, {unknown} unknown", ids.len() as f64 / words as f64);
    assert!(ids.len() < 2 * words && unknown * 1000 < ids.len());
}

#[test]
fn small_vocabulary_splits_words() {
    let tokenizer = small_tokenizer();
    let text = "Unwantedly running, cat";
    let tokens: Vec<&str> =
        tokenizer.encode(text, 16).iter().map(|&id| tokenizer.token(id)).collect();
    let expected =
        ["[CLS]", "un", "##want", "##ed", "##ly", "run", "##ning", "[UNK]", "cat", "[SEP]"];
    assert_eq!(tokens, expected);
}

#[test]
fn vocab_json_and_merges_are_gpt2s_tokenizer() {
    let Some(dir) = shared("tokenizers/gpt2") else { return };
    let tokenizer = Tokenizer::load(&dir).unwrap();
    assert_eq!(tokenizer.vocab_size(), 50_257);
    assert_eq!(tokenizer.special().all(), [50_256; 5]);
    // Printed by transformers 5.23.0: GPT2TokenizerFast over these files, input_ids of the text.
    for (text, expected) in [
        ("Hello, world! unaffable", &[15496, 11, 995, 0, 25312, 540][..]),
        (
            " na\u{ef}ve caf\u{e9}, \u{6f22}\u{5b57} [x] {y}\n\ttab",
            &[
                41492, 40304, 11, 10545, 120, 95, 27764, 245, 685, 87, 60, 1391, 88, 92, 198, 197,
                8658,
            ],
        ),
        ("don't", &[9099, 470]),
        ("", &[]),
    ] {
        assert_eq!(tokenizer.encode_plain(text), expected, "{text}");
        let wrapped = [&[50_256], expected, &[50_256]].concat();
        assert_eq!(tokenizer.encode(text, 64), wrapped, "{text}");
    }
    let continued: Vec<bool> = [995, 25312, 540].map(|id| tokenizer.is_continuation(id)).into();
    assert_eq!(continued, [false, false, true]); // Ġworld, Ġunaff, able

    let delimited = tokenizer.with_delimiters(None).unwrap();
    let saved = tempfile::tempdir().unwrap();
    delimited.save(saved.path(), 64).unwrap();
    let again = Tokenizer::load(saved.path()).unwrap();
    for tokenizer in [&delimited, &again] {
        assert_eq!(tokenizer.encode_as(Side::Query, "don't", 64), [58, 9099, 470, 60]); // [ … ]
        assert_eq!(tokenizer.encode_as(Side::Passage, "don't", 3), [90, 9099, 92]); // { … }
    }
    assert!(!saved.path().join("vocab.txt").exists());
}

#[test]
fn delimiters_are_reserved_tokens_where_there_are_any() {
    let usual = small_tokenizer();
    let [cls, sep] = [usual.special().cls, usual.special().sep];
    assert_eq!(usual.encode_as(Side::Query, "the cat", 8), usual.encode("the cat", 8));
    let special = usual.clone().with_delimiters(None).unwrap();
    let of = |tokenizer: &Tokenizer, side| tokenizer.delimiters().of(side);
    assert_eq!(of(&special, Side::Query), [cls, sep]);
    assert_eq!(of(&special, Side::Passage), [usual.special().mask, usual.special().unk]);
    let named = special.clone().with_delimiters(Some("the cat dog sat")).unwrap();
    assert_eq!(of(&named, Side::Passage).map(|id| named.token(id)), ["dog", "sat"]);
    assert!(special.with_delimiters(Some("the cat dog")).is_err());

    let Some(dir) = shared("tokenizers/bert-base-uncased") else { return };
    let bert = Tokenizer::load(&dir).unwrap().with_delimiters(None).unwrap();
    let names = |side| of(&bert, side).map(|id| bert.token(id));
    assert_eq!(names(Side::Query), ["[unused2]", "[unused3]"]);
    assert_eq!(names(Side::Passage), ["[unused4]", "[unused5]"]);
    let saved = tempfile::tempdir().unwrap();
    bert.save(saved.path(), 64).unwrap();
    let again = Tokenizer::load(saved.path()).unwrap();
    assert_eq!(again.delimiters(), bert.delimiters());
    // What others read: one text is a passage, a text with an empty one a query.
    let library = tokenizers::Tokenizer::from_file(saved.path().join("tokenizer.json")).unwrap();
    let passage = library.encode_fast("unaffable", true).unwrap();
    assert_eq!(passage.get_ids(), bert.encode("unaffable", 64));
    let query = library.encode_fast(("unaffable", ""), true).unwrap();
    assert_eq!(query.get_ids(), bert.encode_as(Side::Query, "unaffable", 64));
}
