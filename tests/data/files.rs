//! Readers of text, BEIR folders and records: what they give, and how they name what is wrong.

use std::fs;
use std::path::Path;

use wgrad::data::text::{TextLayout, documents};
use wgrad::data::{Records, beir};

use super::shared;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn texts(path: &Path, layout: TextLayout) -> Vec<String> {
    documents(&[path], layout).unwrap().map(|d| d.unwrap().full_text()).collect()
}

#[test]
fn streams_every_format() {
    let dir = folder(&[
        ("b.txt", "\u{feff}one\r\n\n  \ntwo"),
        (
            "a.jsonl",
            "{\"text\": \"x\", \"title\": \"t\", \"id\": 7}\n\n{\"text\": \"y\", \"title\": null}\n",
        ),
        ("c.tsv", "1\tbody\n2\ttitle\tbody\n"),
        ("notes.md", "no text of ours"),
    ]);
    let line = TextLayout::DocumentPerLine;
    assert_eq!(texts(dir.path(), line), ["t x", "y", "one", "two", "body", "title body"]);
    assert_eq!(texts(&dir.path().join("b.txt"), TextLayout::BlankLineBetween), ["one", "two"]);
    let paragraphs = folder(&[("p.txt", "T\np\n\n\nU\nq\nr")]);
    assert_eq!(texts(paragraphs.path(), TextLayout::BlankLineBetween), ["T\np", "U\nq\nr"]);
    let ids: Vec<_> =
        documents(&[dir.path()], line).unwrap().filter_map(|d| d.unwrap().id).collect();
    assert_eq!(ids, ["7", "1", "2"]);
    let beir = folder(&[
        ("corpus.jsonl", "{\"_id\": \"d\", \"title\": \"t\", \"text\": \"\"}\n"),
        ("queries.jsonl", "{\"_id\": \"q\", \"text\": \"no passage\"}\n"),
    ]);
    assert_eq!(texts(beir.path(), line), ["t"]);
}

/// Files of a folder, what reads it, and what its message must contain.
type BadInput<'a> = (&'a [(&'a str, &'a str)], fn(&Path) -> String, &'a str);

#[test]
fn names_the_file_and_line_that_is_wrong() {
    fn text(dir: &Path) -> String {
        let read = documents(&[dir], TextLayout::DocumentPerLine);
        read.and_then(|all| all.collect::<Result<Vec<_>, _>>()).unwrap_err().to_string()
    }
    fn file(dir: &Path) -> String {
        text(&dir.join("a.txt"))
    }
    fn records(dir: &Path) -> String {
        Records::load(dir).unwrap_err().to_string()
    }
    fn jsonl(dir: &Path) -> String {
        Records::load(&dir.join("r.jsonl")).unwrap_err().to_string()
    }
    const CORPUS: (&str, &str) = ("corpus.jsonl", "{\"_id\": \"d\", \"text\": \"x\"}\n");
    const QUERIES: (&str, &str) = ("queries.jsonl", "{\"_id\": \"q\", \"text\": \"x\"}\n");
    const QRELS: &str = "qrels/train.tsv";
    let cases: &[BadInput] = &[
        (&[], text, "empty; expected text"),
        (&[], file, "a.txt: no such file"),
        (&[("a.txt", "")], file, "a.txt: empty"),
        (
            &[("a.jsonl", "{\"text\": \"x\"}\n{\"text\": ")],
            text,
            "a.jsonl:2: expected a JSON object",
        ),
        (
            &[("a.jsonl", "{\"title\": \"x\"}")],
            text,
            "a.jsonl:1: expected a JSON object with `text`",
        ),
        (&[("a.tsv", "1\tx\nlonely\n")], text, "a.tsv:2: expected `id ⇥ text`"),
        (&[("a.tsv", "1\t2\t3\t4")], text, "found 4 columns"),
        (&[CORPUS, QUERIES], records, "train.tsv: no such file"),
        (&[CORPUS, QUERIES, (QRELS, "")], records, "train.tsv: empty"),
        (&[CORPUS, QUERIES, (QRELS, "q\td\t1\n")], records, "train.tsv:1: expected the header"),
        (
            &[CORPUS, QUERIES, (QRELS, "query-id\tcorpus-id\tscore\nq d 1\n")],
            records,
            "train.tsv:2",
        ),
        (&[CORPUS, QUERIES, (QRELS, "query-id\tcorpus-id\tscore\nq\td\tx\n")], records, "column 3"),
        (
            &[CORPUS, QUERIES, (QRELS, "query-id\tcorpus-id\tscore\np\td\t1\n")],
            records,
            "train.tsv:2: expected a query of queries.jsonl, found query `p`",
        ),
        (
            &[CORPUS, QUERIES, (QRELS, "query-id\tcorpus-id\tscore\nq\te\t1\n")],
            records,
            "found passage `e`",
        ),
        (
            &[CORPUS, QUERIES, (QRELS, "query-id\tcorpus-id\tscore\nq\td\t0\n")],
            records,
            "at least one query with a positive",
        ),
        (
            &[
                CORPUS,
                ("queries.jsonl", "{\"_id\": \"q\", \"text\": \" \"}\n"),
                (QRELS, "query-id\tcorpus-id\tscore\nq\td\t1\n"),
            ],
            records,
            "queries.jsonl:1: expected a query with text",
        ),
        (
            &[
                (
                    "corpus.jsonl",
                    "{\"_id\": \"d\", \"text\": \"x\"}\n{\"_id\": \"d\", \"text\": \"y\"}\n",
                ),
                QUERIES,
                (QRELS, "query-id\tcorpus-id\tscore\nq\td\t1\n"),
            ],
            records,
            "corpus.jsonl:2: expected each passage once",
        ),
        (
            &[
                ("corpus.jsonl", "{\"text\": \"x\"}\n"),
                QUERIES,
                (QRELS, "query-id\tcorpus-id\tscore\nq\td\t1\n"),
            ],
            records,
            "corpus.jsonl:1: expected a passage with `_id`",
        ),
        (&[("r.jsonl", "\n")], jsonl, "r.jsonl: empty"),
        (&[("r.jsonl", "{\"query\": \"\", \"pos\": [\"x\"]}")], jsonl, "r.jsonl:1: expected"),
        (&[("r.jsonl", "{\"pos\": [\"x\"]}")], jsonl, "without query text"),
        (&[("r.jsonl", "{\"query\": \"q\", \"pos\": []}")], jsonl, "without a positive"),
        (
            &[("r.jsonl", "{\"query\": \"q\", \"pos\": [\"x\"], \"neg\": [\" \"]}")],
            jsonl,
            "a passage without text",
        ),
        (
            &[("r.jsonl", "{\"query\": \"q\", \"pos\": [\"x\"], \"pos_scores\": [1, 2]}")],
            jsonl,
            "2 scores for 1 positives",
        ),
        (
            &[("r.jsonl", "{\"query\": \"q\", \"pos\": [\"x\"], \"neg_scores\": [1]}")],
            jsonl,
            "neg_scores without",
        ),
        (&[("r.jsonl", "{\"query\": \"q\", \"pos\": [\"x\"]}\n[1]")], jsonl, "r.jsonl:2"),
    ];
    for (files, read, expected) in cases {
        let dir = folder(files);
        let message = read(dir.path());
        println!("{message}");
        assert!(message.contains(expected), "{message}\n  lacks: {expected}");
        assert!(!message.contains('\n'));
    }
    let latin = folder(&[]);
    fs::write(latin.path().join("a.txt"), b"fine\nna\xefve\n").unwrap();
    assert!(
        text(latin.path())
            .contains("a.txt:2: expected UTF-8 text, found a byte that is not UTF-8 at column 3")
    );
}

#[test]
fn joins_records() {
    let dir = folder(&[
        (
            "corpus.jsonl",
            "{\"_id\": 1, \"text\": \"x\"}\n{\"_id\": \"2\", \"text\": \"y\"}\n{\"_id\": \"3\", \"text\": \"x\"}\n{\"_id\": \"4\", \"text\": \"z\"}\n",
        ),
        ("queries.jsonl", "{\"_id\": \"q\", \"text\": \"Q\"}\n{\"_id\": \"r\", \"text\": \"Q\"}\n"),
        ("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq\t1\t2\nq\t3\t1\nr\t2\t1\nq\t2\t0\n"),
    ]);
    let records = Records::load(dir.path()).unwrap();
    let passages: Vec<&str> = records.passages().iter().map(|p| &**p).collect();
    assert_eq!(passages, ["x", "y", "z"]); // passages 1 and 3 are one text
    assert_eq!(records.queries().len(), 1);
    assert_eq!(records.records()[0].positives, [0]);
    assert_eq!(records.records()[0].negatives, [1]);
    assert_eq!(records.records()[1].positives, [1]);
    assert_eq!(records.relevant(0), [0, 1]); // of both queries, which ask the same

    let jsonl = folder(&[(
        "r.jsonl",
        concat!(
            "{\"query\": \"q\", \"pos\": [\"x\", \"y\"], \"neg\": [\"z\"], \"pos_scores\": [2, 1], \"neg_scores\": [0.5]}\n",
            "{\"anchor\": \"a\", \"positive\": \"y\", \"negative\": \"x\"}\n",
        ),
    )]);
    let records = Records::load(&jsonl.path().join("r.jsonl")).unwrap();
    assert_eq!(records.records()[0].teacher_scores, Some(vec![2.0, 1.0, 0.5]));
    assert_eq!(records.records()[1].positives, [1]);
    assert_eq!(records.records()[1].negatives, [0]);
}

#[test]
fn reads_real_collections() {
    for (name, passages, queries, split, judgments) in [
        ("scifact", 5183, 1109, "train", 919),
        ("cacm", 3204, 52, "test", 796),
        ("squadshifts", 5664, 27626, "train", 22092),
    ] {
        let Some(dir) = shared(&format!("beir/{name}")) else { return };
        assert_eq!(beir::corpus(&dir).unwrap().len(), passages);
        assert_eq!(beir::queries(&dir).unwrap().len(), queries);
        assert_eq!(beir::qrels(&dir, split).unwrap().len(), judgments);
        assert!(Records::from_beir(&dir, split).unwrap().passages().len() <= passages);
    }
}
