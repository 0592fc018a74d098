"""Generated messages of event files (package `tallyboard.proto`); made by `nox -s protos`, never by hand."""
