//! `docs/cli.md`, made from the commands themselves.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::{ABOUT_EXIT_CODES, Cli};

fn page() -> String {
    let mut page = String::from(
        "# The command line\n\n\
         <!-- made from src/cli: UPDATE_EXPECT=1 cargo test --release --features server cli -->\n\n\
         Data goes to stdout, everything else to stderr; the format never depends on the terminal. `-o table`\n\
         is for people, `-o json` and `-o jsonl` for programs, `-o id` for xargs. RAFTSMAN_ADDR says which\n\
         JobTrackers to ask.\n\n",
    );
    writeln!(page, "```text\n{ABOUT_EXIT_CODES}\n```").expect("a String takes everything");
    let mut command = Cli::command();
    command.build();
    describe(&mut page, &command, "");
    page
}

fn describe(page: &mut String, command: &Command, above: &str) {
    let path = format!("{above} {}", command.get_name()).trim().to_owned();
    // What every command takes is told once, at the top.
    let told_above = |arg: &clap::Arg| !above.is_empty() && (arg.is_global_set() || arg.get_id() == "help");
    let once = command.clone().mut_args(|arg| if told_above(&arg) { arg.hide(true) } else { arg });
    // A fixed width, so that the page does not depend on a terminal.
    let help = once.term_width(100).render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    write!(page, "\n## {path}\n\n```text\n{}\n```\n", help.trim()).expect("a String takes everything");
    // What only builds for tests have is not told.
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        describe(page, inner, &path);
    }
}

#[test]
fn the_page_of_the_command_line_is_fresh() {
    expect_test::expect_file!["../../docs/cli.md"].assert_eq(&page());
}
