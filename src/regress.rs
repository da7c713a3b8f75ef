//! Cost tables under regression: export, comparison, CI formats.
