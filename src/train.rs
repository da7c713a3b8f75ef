//! Trains small networks and writes run directories.
