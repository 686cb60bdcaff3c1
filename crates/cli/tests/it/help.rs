//! What `--help` says, in git: a change of the command line shows as a difference somebody reads.

use clap::CommandFactory;
use cli::arguments::Arguments;

/// Every command's long help, one after the other.
fn all_help() -> String {
    let mut text = String::new();
    let mut root = Arguments::command().term_width(100);
    root.build();
    write_help(&mut text, &mut root);
    text
}

fn write_help(text: &mut String, command: &mut clap::Command) {
    if command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or("oxec").to_owned();
    text.push_str(&format!(
        "$ {name} --help\n{}\n",
        command.render_long_help()
    ));
    for subcommand in command.get_subcommands_mut() {
        write_help(text, subcommand);
    }
}

#[test]
fn the_help_of_every_command_is_what_was_last_read() {
    insta::assert_snapshot!(all_help());
}

#[test]
fn every_command_and_argument_has_help() {
    fn check(command: &clap::Command, missing: &mut Vec<String>) {
        if command.get_about().is_none() {
            missing.push(command.get_name().to_owned());
        }
        missing.extend(
            command
                .get_arguments()
                .filter(|argument| argument.get_help().is_none())
                .map(|argument| format!("{} {}", command.get_name(), argument.get_id())),
        );
        for subcommand in command.get_subcommands() {
            check(subcommand, missing);
        }
    }
    let mut missing = Vec::new();
    check(&Arguments::command(), &mut missing);
    assert!(missing.is_empty(), "no help for {missing:?}");
}
