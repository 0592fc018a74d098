"""The subcommands of `tallyboard`: one file each, found by listing this folder.

`core/commands/NAME.py` is `tallyboard NAME`. The first line of its docstring is its line in `tallyboard --help`, and
it has

    add_arguments(parser: argparse.ArgumentParser) -> None
    run(arguments: argparse.Namespace) -> int               the exit code

Importing it must be cheap, since `--help` imports them all: what is heavy is imported in `run`. A `TallyboardError`
or an `OSError` that leaves `run` becomes one line on standard error and exit code 2; Ctrl+C, and a reader of the output
that went away, are seen to by the dispatcher, `tallyboard.__main__`.
"""
