//! Measures of labelled tests, against scikit-learn 1.9.1, SciPy 1.17.1 and counting by hand.

use wgrad::train::measures::{accuracy, macro_f1, pearson, span_f1, spearman};

#[test]
fn classes_are_measured_as_by_scikit_learn() {
    let (expected, found) = ([0, 0, 1, 1, 1, 2, 2, 4], [0, 1, 1, 1, 2, 2, 3, 3]);
    assert_eq!(accuracy(&expected, &found), 0.5);
    let f1 = macro_f1(&expected, &found);
    assert!((f1 - 0.366_666_666_666_666_64).abs() < 1e-15, "{f1}");
    assert_eq!((accuracy(&[], &[]), macro_f1(&[], &[])), (0.0, 0.0));
}

#[test]
fn numbers_are_measured_as_by_scipy() {
    let x = [0.5, 2.0, 2.0, 3.25, 4.0, 4.0, 4.0, 1.0];
    let y = [1.0, 1.5, 2.5, 2.5, 3.0, 5.0, 4.5, -2.0];
    for (found, expected) in
        [(pearson(&x, &y), 0.828_507_992_701_749_7), (spearman(&x, &y), 0.932_383_028_557_168)]
    {
        assert!((found - expected).abs() < 1e-14, "{found}, expected {expected}");
    }
    assert_eq!(pearson(&[1.0, 1.0], &[0.0, 1.0]), 0.0, "what does not vary agrees with nothing");
}

#[test]
fn a_span_is_right_as_a_whole() {
    let expected = ["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-LOC", "O"];
    for (found, f1) in [
        (["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-LOC", "O"], 1.0),
        // An end too early, and a kind that is wrong: 1 of 3 on both sides.
        (["B-PER", "O", "O", "B-LOC", "B-PER", "I-PER", "O"], 1.0 / 3.0),
        // An I- that continues nothing begins a span; one of another kind begins the next.
        (["I-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-LOC", "O"], 1.0),
        (["O", "O", "O", "O", "O", "O", "O"], 0.0),
    ] {
        let measured = span_f1(&expected, &found, &[7]);
        assert!((measured - f1).abs() < 1e-15, "{found:?}: {measured}, expected {f1}");
    }
    // The second text begins inside what would be a span.
    let tags = ["B-PER", "I-PER"];
    assert_eq!(span_f1(&tags, &tags, &[1, 1]), 1.0);
    assert_eq!(span_f1(&["B-PER", "B-PER"], &tags, &[1, 1]), 1.0);
    assert_eq!(span_f1(&["B-PER", "B-PER"], &tags, &[2]), 0.0);
}
