//! Progress on stderr: bars on a terminal, plain lines after a second elsewhere, nothing under `--quiet`.
