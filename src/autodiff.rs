//! Reverse mode and forward-over-reverse on programs: graph to graph.
