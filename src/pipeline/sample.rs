//! The embedded sample: a small real training run, so that `breakeven analyze` works without any file.

/// Name of the sample in reports.
pub const NAME: &str = "sample";

/// The files of its run directory; see `sample/README.md` for where they come from.
pub const FILES: &[(&str, &[u8])] = &[
    ("model.onnx", include_bytes!("sample/model.onnx")),
    ("batch.npz", include_bytes!("sample/batch.npz")),
    ("loss.json", include_bytes!("sample/loss.json")),
    ("sgd_0000.safetensors", include_bytes!("sample/sgd_0000.safetensors")),
    ("sgd_0020.safetensors", include_bytes!("sample/sgd_0020.safetensors")),
    ("sgd_0200.safetensors", include_bytes!("sample/sgd_0200.safetensors")),
    ("sgd_1000.safetensors", include_bytes!("sample/sgd_1000.safetensors")),
    ("adam_0050.safetensors", include_bytes!("sample/adam_0050.safetensors")),
    ("adam_0400.safetensors", include_bytes!("sample/adam_0400.safetensors")),
    ("newton_0005.safetensors", include_bytes!("sample/newton_0005.safetensors")),
];
