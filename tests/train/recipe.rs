//! recipe: who overrides whom, what an error says, and that a written recipe gives the same run.

use std::path::{Path, PathBuf};

use wgrad::train::recipe::Recipe;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, text).expect("writable");
    (folder, path)
}

#[test]
fn set_beats_flag_beats_file_beats_default() {
    let (_folder, path) = file("a = 1\nb = 1\nc = 1\nlearning-rate = 3e-5\n");
    let mut recipe = Recipe::from_file(&path).expect("it is TOML");
    recipe.flag("b", Some(2_u64));
    recipe.flag("c", Some(2_u64));
    recipe.flag("a", None::<u64>);
    recipe.set("c=3").expect("key=value");
    recipe.set("c = 4").expect("key=value");
    let mut get = |key| recipe.get(key, 0_u64).expect("a whole number");
    assert_eq!([get("a"), get("b"), get("c"), get("d")], [1, 2, 4, 0]);
    assert_eq!(recipe.get("learning_rate", 1.0_f32).expect("a number"), 3e-5);
    recipe.finish().expect("every key was read");
}

#[test]
fn a_flag_beats_what_says_the_same_by_another_key() {
    let (_folder, path) = file("epochs = 2\nconfig = \"config.json\"\n");
    let given = |change: fn(&mut Recipe)| {
        let mut recipe = Recipe::from_file(&path).expect("it is TOML");
        change(&mut recipe);
        let numbers = ["steps", "epochs"].map(|key| recipe.optional::<u64>(key).expect("a number"));
        let texts = ["init", "config"].map(|key| recipe.optional::<String>(key).expect("a text"));
        (numbers, texts.map(|text| text.unwrap_or_default()))
    };
    let text = |init: &str, config: &str| [init.to_string(), config.to_string()];
    let of_file = text("", "config.json");
    assert_eq!(given(|_| {}), ([None, Some(2)], of_file.clone()));
    assert_eq!(given(|r| r.flag("steps", None::<u64>)), ([None, Some(2)], of_file.clone()));
    assert_eq!(given(|r| r.flag("steps", Some(5_u64))), ([Some(5), None], of_file.clone()));
    assert_eq!(given(|r| r.flag("epochs", Some(5_u64))), ([None, Some(5)], of_file.clone()));
    let set = |recipe: &mut Recipe| recipe.set("steps=5").expect("key=value");
    assert_eq!(given(set), ([Some(5), None], of_file));
    let init = |recipe: &mut Recipe| recipe.flag("init", Some("model".to_string()));
    assert_eq!(given(init), ([None, Some(2)], text("model", "")));
}

#[test]
fn every_type_reads_back_from_what_was_written() {
    let mut first = Recipe::default();
    first.flag("data", Some(vec!["a.txt".to_string(), "b \"c\".txt".to_string()]));
    first.set("temperature=0.02").expect("key=value");
    first.set("decoder_query=pos_add").expect("key=value");
    first.set("out=2024").expect("key=value");
    let read = |recipe: &mut Recipe| {
        let values = (
            recipe.required::<Vec<String>>("data").expect("given"),
            recipe.get("temperature", 0.05_f32).expect("a number"),
            recipe.choice("decoder_query", &["pos_add", "bert_embed"], "bert_embed").expect("one"),
            recipe.get("out", PathBuf::from("run")).expect("a path"),
            recipe.get("dropout", 0.1_f32).expect("a number"),
            recipe.get("epsilon", 1e-12_f64).expect("a number"),
            recipe.get("resume", false).expect("a truth value"),
            recipe.get("seed", 42_u64).expect("a number"),
            recipe.optional::<usize>("steps").expect("left out"),
        );
        recipe.finish().expect("every key was read");
        (values, recipe.to_toml("wgrad pretrain"))
    };
    let (values, written) = read(&mut first);
    let expected = "# wgrad pretrain\n\
                    data = [\"a.txt\", 'b \"c\".txt']\n\
                    temperature = 0.02\n\
                    decoder_query = \"pos_add\"\n\
                    out = \"2024\"\n\
                    dropout = 0.1  # default\n\
                    epsilon = 1e-12  # default\n\
                    resume = false  # default\n\
                    seed = 42  # default\n";
    assert_eq!(written, expected);
    let (_folder, path) = file(&written);
    let (values_again, written_again) = read(&mut Recipe::from_file(&path).expect("it is TOML"));
    assert_eq!(values_again, values);
    assert_eq!(written_again.replace("  # default", ""), written.replace("  # default", ""));
}

#[test]
fn an_f32_survives_the_recipe() {
    for bits in (1_u32..0x7f7f_ffff).step_by(15_485_863) {
        let value = f32::from_bits(bits);
        let mut recipe = Recipe::default();
        recipe.flag("x", Some(value));
        assert_eq!(recipe.get("x", 0.0_f32).expect("a number"), value, "{bits:#x}");
        let (_folder, path) = file(&recipe.to_toml(""));
        let mut again = Recipe::from_file(&path).expect("it is TOML");
        assert_eq!(again.get("x", 0.0_f32).expect("a number").to_bits(), bits);
    }
}

/// Reads the settings of the error table.
fn read_settings(recipe: &mut Recipe) -> Result<(), wgrad::train::Error> {
    recipe.get_in("temperature", 0.05_f32, f32::MIN_POSITIVE.., "a number above 0")?;
    recipe.choice("pooling", &["cls", "mean", "last"], "cls")?;
    recipe.get("group_size", 8_usize)?;
    recipe.get("late_mlm", true)?;
    recipe.required::<String>("objective")?;
    recipe.finish()
}

#[test]
fn errors_say_where_what_and_what_instead() {
    let cases: [(&str, &[&str], &[&str]); 12] = [
        ("", &["objective=mlm"], &[]),
        ("", &[], &["`objective` is not given", "--objective"]),
        (
            "objective = 'mlm'\n\ntemprature = 1",
            &[],
            &["recipe.toml:3", "temprature", "did you mean `temperature`"],
        ),
        ("objective = 'mlm'", &["zzzzzz=1"], &["--set zzzzzz=1", "known are temperature, pooling"]),
        ("objective = 'mlm'", &["poling=cls", "late_mlmm=true"], &["`pooling`?", "`late_mlm`?"]),
        ("temperature = 'hot'", &[], &["recipe.toml:1", "expected a number", "found \"hot\""]),
        ("", &["temperature=0"], &["--set temperature=0", "above 0"]),
        (
            "\npooling = 'maen'",
            &[],
            &["recipe.toml:2", "one of cls, mean, last", "did you mean `mean`"],
        ),
        ("group_size = -1", &[], &["at least 0", "-1"]),
        ("late_mlm = 1", &[], &["true or false"]),
        ("[model]\nlayers = 3", &[], &["`model`", "recipes are flat"]),
        ("a = 1\na = 2", &[], &["recipe.toml:2", "duplicate key"]),
    ];
    for (text, sets, expected) in cases {
        let (_folder, path) = file(text);
        let result = Recipe::from_file(&path).and_then(|mut recipe| {
            sets.iter().try_for_each(|set| recipe.set(set))?;
            read_settings(&mut recipe)
        });
        let error = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error.is_empty(), expected.is_empty(), "{text:?} {sets:?}: {error}");
        assert!(error.lines().count() <= 1, "{error}");
        for part in expected {
            assert!(error.contains(part), "{text:?} {sets:?}: expected {part:?} in {error:?}");
        }
    }
}

#[test]
fn what_is_no_assignment_is_refused() {
    for text in ["temperature", "=3", ""] {
        let error = Recipe::default().set(text).expect_err(text).to_string();
        assert!(error.contains("expected key=value"), "{error}");
    }
    assert!(Recipe::from_file(Path::new("no/such/recipe.toml")).is_err());
}
