//! Every command explains itself with an example that parses.

use super::world::World;

#[test]
fn every_help_has_an_example_whose_flags_exist() {
    let world = World::new();
    let mut commands = vec![String::new()];
    let mut leaves = 0;
    while let Some(command) = commands.pop() {
        let help = world.succeed(&format!("{command} --help")).stdout;
        let below = subcommands(&help);
        if !below.is_empty() {
            commands.extend(below.iter().map(|name| format!("{command} {name}")));
            continue;
        }
        leaves += 1;
        let examples = examples(&help);
        assert!(!examples.is_empty(), "wgrad {command} --help has no example:\n{help}");
        for example in examples {
            // Flags are parsed in order, so help comes only after each was understood.
            let ended = world.run(&format!("{example} --help"));
            assert_eq!(ended.code, Some(0), "wgrad {example}\n{}", ended.stderr);
            assert!(example.starts_with(command.trim()), "{command}: the example is of {example}");
        }
    }
    assert!(leaves >= 10, "only {leaves} commands were found");
}

/// The names under `Commands:`, but for `help`.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.take_while(|line| line.starts_with("  "));
    // Names stand two columns in, the lines of a long description further.
    let names = names.filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_string).collect()
}

/// The arguments of every command after `Example`, with lines that end in `\` joined.
fn examples(help: &str) -> Vec<String> {
    let Some(at) = help.find("Example") else { return Vec::new() };
    let text = help[at..].replace("\\\n", " ");
    let commands = text.lines().filter_map(|line| line.split_once("wgrad "));
    let commands =
        commands.filter(|(before, _)| before.trim().is_empty() || before.starts_with("Example"));
    commands.map(|(_, arguments)| arguments.trim().to_string()).collect()
}
