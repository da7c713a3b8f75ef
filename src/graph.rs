//! The program of a network: a closed list of differentiable operators, lowered from ONNX.
