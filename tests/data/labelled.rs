//! Labelled texts: files of every form, and rows with what is asked of them.

use std::fs;
use std::sync::Arc;

use wgrad::data::labelled::{Answer, Order};
use wgrad::data::{Examples, Kind, LabelCollator};

use super::small_tokenizer;

fn load(name: &str, content: &str, kind: Kind) -> Result<Examples, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    Examples::load(&path, kind).map_err(|error| error.to_string())
}

fn collator(max_length: usize, order: Order) -> LabelCollator {
    let tokenizer = Arc::new(small_tokenizer());
    LabelCollator { model_vocab_size: tokenizer.vocab_size(), tokenizer, max_length, order }
}

#[test]
fn files_of_every_form_are_read() {
    let class = |name: &str| Answer::Class(name.into());
    for (name, content, kind, texts, answer) in [
        ("a.tsv", "yes\tthe cat\n", Kind::Class, vec!["the cat"], class("yes")),
        ("a.tsv", "yes\tthe cat\ta dog\n", Kind::Class, vec!["the cat", "a dog"], class("yes")),
        ("a.all", "\n1 the cat\n", Kind::Class, vec!["the cat"], class("1")),
        (
            "a.csv",
            "g\tf\t12\t7\t2.5\ta\tb c\n",
            Kind::Number,
            vec!["a", "b c"],
            Answer::Number(2.5),
        ),
        ("a.jsonl", r#"{"text": "a", "label": 1}"#, Kind::Class, vec!["a"], class("1")),
        (
            "a.jsonl",
            r#"{"sentence1": "a", "sentence2": "b", "score": 1.5}"#,
            Kind::Number,
            vec!["a", "b"],
            Answer::Number(1.5),
        ),
        (
            "a.jsonl",
            r#"{"tokens": ["a", "b"], "tags": ["O", "X"]}"#,
            Kind::Tags,
            vec!["a", "b"],
            Answer::Tags(vec!["O".into(), "X".into()]),
        ),
        (
            "a.conll",
            "-DOCSTART- O\n\na NN O\nb NN X\n\n\nc NN O\n",
            Kind::Tags,
            vec!["a", "b"],
            Answer::Tags(vec!["O".into(), "X".into()]),
        ),
    ] {
        let read = load(name, content, kind).unwrap_or_else(|error| panic!("{content}: {error}"));
        assert_eq!(read.examples[0].texts, texts, "{content}");
        assert_eq!(read.examples[0].answer, answer, "{content}");
    }
}

#[test]
fn wrong_lines_are_named() {
    for (name, content, kind, expected) in [
        ("a.tsv", "", Kind::Class, "a.tsv: empty; expected a labelled text"),
        ("a.tsv", "yes\ta\n\nyes", Kind::Class, "a.tsv:3: expected `label ⇥ text`"),
        ("a.tsv", "1\ta\nhigh\tb\n", Kind::Number, "a.tsv:2: expected a number"),
        ("a.tsv", "nan\ta\n", Kind::Number, "a.tsv:1: expected a number"),
        (
            "a.jsonl",
            "{\"text\": \"a\"}\n",
            Kind::Class,
            "a.jsonl:1: expected `{\"text\", \"label\"}`",
        ),
        ("a.jsonl", "{\"tokens\": [\"a\"], \"tags\": []}\n", Kind::Tags, "as many of both"),
        ("a.conll", "a O\nb\n", Kind::Tags, "a.conll:2: expected `word … tag`"),
    ] {
        let error = load(name, content, kind).expect_err(content);
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
}

#[test]
fn classes_are_numbered_in_their_order() {
    let read = load("a.tsv", "10\ta\n9\tb\n10\tc\n", Kind::Class).unwrap();
    assert_eq!(read.classes(), ["9", "10"]);
    assert_eq!(read.numbered(&read.classes()).unwrap(), [[1], [0], [1]]);
    let error = read.numbered(&["10".into()]).unwrap_err().to_string();
    assert!(error.contains("a.tsv:2: expected one of the labels 10, found `9`"), "{error}");
}

#[test]
fn rows_hold_types_and_the_first_piece_of_each_word() {
    let pair = load("a.tsv", "1\tthe cat\tunwanted dog\n", Kind::Number).unwrap();
    let batch = |order| collator(16, order).batch(&pair.examples, &[vec![]], &[0]).unwrap();
    let first = batch(Order::First);
    // [CLS] the cat [SEP] un ##want ##ed dog [SEP]
    assert_eq!(first.text.input_ids[..9], [2, 5, 6, 3, 11, 12, 13, 7, 3]);
    assert_eq!(first.token_type_ids[..9], [0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert!(first.token_type_ids[9..].iter().all(|&kind| kind == 0));
    assert_eq!(first.numbers, [1.0]);
    let last = batch(Order::Last);
    assert_eq!(last.text.input_ids[..9], [5, 6, 3, 11, 12, 13, 7, 3, 2]);
    assert_eq!(last.token_type_ids[..9], [0, 0, 0, 1, 1, 1, 1, 1, 2]);

    let tags = load("a.conll", "the O\nunwanted X\ncat O\nrunning X\n", Kind::Tags).unwrap();
    let classes = tags.numbered(&tags.classes()).unwrap();
    let batch = |max_length, order| {
        collator(max_length, order).batch(&tags.examples, &classes, &[0, 0]).unwrap()
    };
    // [CLS] the un ##want ##ed cat run ##ning [SEP]
    let whole = batch(16, Order::First);
    assert_eq!(whole.places, [1, 2, 5, 6, 17, 18, 21, 22]);
    assert_eq!(whole.classes, [0, 1, 0, 1, 0, 1, 0, 1]);
    assert_eq!(batch(16, Order::Last).places, [0, 1, 4, 5, 16, 17, 20, 21]);
    // A word that does not fit whole goes with its tag, and so does what follows it.
    let cut = batch(8, Order::First);
    assert_eq!(
        (&cut.places[..], &cut.classes[..]),
        (&[1, 2, 5, 9, 10, 13][..], &[0, 1, 0, 0, 1, 0][..])
    );
    assert_eq!(cut.text.lengths, [7, 7]);
}
