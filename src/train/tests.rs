//! Tests of builders, writer and data.

use super::data::{DataOptions, load, open};
use super::network::{Activation, Network};
use super::onnx_writer::to_bytes;
use super::problem::{Batches, Problem};
use crate::error::Class;
use crate::snapshot::array::Values;

#[test]
fn networks_are_parsed_or_refused() {
    assert_eq!(Network::parse("mlp:64-16-10").unwrap(), Network::Mlp(vec![64, 16, 10], Activation::Relu));
    assert_eq!(Network::parse("mlp:64-10:gelu").unwrap(), Network::Mlp(vec![64, 10], Activation::Gelu));
    for bad in [
        "mlp",
        "mlp:64",
        "mlp:64-x",
        "mlp:64-0-10",
        "mlp:64-10:elu",
        "bert:16,1,3,32",
        "gpt:16,1,2",
        "cnn:3",
        "rnn",
        "mlp:1-2:relu:x",
    ] {
        assert_eq!(Network::parse(bad).unwrap_err().class, Class::Usage, "{bad}");
    }
}

#[test]
fn data_is_the_same_for_the_same_seed_and_fits_its_network() {
    for (source, network) in
        [("digits", "mlp:64-8-10"), ("digits", "cnn"), ("text", "bert:16,1,2,32"), ("text", "gpt:16,1,2,32")]
    {
        let network = Network::parse(network).unwrap();
        let data = load(source, &network, 32, 7).unwrap();
        assert_eq!(data, load(source, &network, 32, 7).unwrap());
        assert_ne!(data, load(source, &network, 32, 8).unwrap());
        let (model, parameters) = network.build(&data.interface, 3).unwrap();
        assert_eq!(network.build(&data.interface, 3).unwrap(), (model.clone(), parameters.clone()));
        assert!(!to_bytes(&model, "g").is_empty() && !parameters.is_empty());
    }
    let mlp = Network::parse("mlp:64-8-10").unwrap();
    assert_eq!(load("digits", &mlp, 5000, 0).unwrap_err().class, Class::Usage);
    assert_eq!(load("imagenet", &mlp, 5, 0).unwrap_err().class, Class::Usage);
    let tokens = load("text", &mlp, 5, 0).unwrap();
    assert_eq!(mlp.build(&tokens.interface, 0).unwrap_err().class, Class::Usage);
}

#[test]
fn masked_targets_are_the_hidden_letters_and_causal_ones_the_next() {
    let bert = Network::parse("bert:16,1,2,32").unwrap();
    let data = load("text", &bert, 64, 1).unwrap();
    let (Values::Int(x), Values::Int(y)) = (&data.x.values, &data.y.values) else { panic!("integers") };
    let scored = y.iter().filter(|&&t| t != -100).count();
    assert!(x.iter().zip(y).all(|(&x, &y)| (x == 28) == (y != -100)));
    assert!((100..220).contains(&scored), "{scored} of 1024 at 15 %");
    let gpt = Network::parse("gpt:16,1,2,32").unwrap();
    let data = load("text", &gpt, 64, 1).unwrap();
    let (Values::Int(x), Values::Int(y)) = (&data.x.values, &data.y.values) else { panic!("integers") };
    assert!(x.chunks(16).zip(y.chunks(16)).all(|(x, y)| x[1..] == y[..15]));
}

#[test]
fn a_damaged_mnist_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mlp = Network::parse("mlp:4-10").unwrap();
    let source = format!("mnist:{}", dir.path().display());
    assert_eq!(load(&source, &mlp, 1, 0).unwrap_err().class, Class::Input);
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2][..], &[255; 8]].concat();
    std::fs::write(dir.path().join("train-images-idx3-ubyte"), &images).unwrap();
    std::fs::write(dir.path().join("train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 3, 4]).unwrap();
    let data = load(&source, &mlp, 2, 0).unwrap();
    assert_eq!(data.x.values, Values::Float(vec![1.0; 8]));
    std::fs::write(dir.path().join("train-images-idx3-ubyte"), &images[..20]).unwrap();
    assert_eq!(load(&source, &mlp, 2, 0).unwrap_err().class, Class::Input);
}

#[test]
fn held_out_samples_are_never_trained_on() {
    for (source, network) in [("digits", "mlp:64-8-10"), ("text", "gpt:16,1,2,32"), ("text", "bert:16,1,2,32")] {
        let network = Network::parse(network).unwrap();
        let options = DataOptions { seed: 3, ..DataOptions::default() };
        let split = open(source, &network, &options).unwrap();
        let held_out = split.held_out.unwrap();
        let all = split.train.len() + held_out.len();
        assert_eq!(held_out.len(), all / 10);
        let fewer = open(source, &network, &DataOptions { held_out: Some(5), samples: Some(20), ..options }).unwrap();
        assert_eq!((fewer.train.len(), fewer.held_out.unwrap().len()), (20, 5));
        // what is held out does not change what is trained on first
        assert_eq!(fewer.train.batch(0..20), split.train.batch(0..20));
        let none = open(source, &network, &DataOptions { held_out: Some(0), ..options }).unwrap();
        assert_eq!((none.train.len(), none.held_out), (all, None));
    }
    // the digits hold no image twice, so the two parts share none
    let network = Network::parse("mlp:64-8-10").unwrap();
    let split = open("digits", &network, &DataOptions::default()).unwrap();
    let rows = |set: &super::data::DataSet| -> Vec<Vec<u64>> {
        let arrays = set.batch(0..set.len());
        let pixels = arrays[0].1.floats().unwrap();
        pixels.chunks(64).map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
    };
    let (train, held_out) = (rows(&split.train), rows(&split.held_out.unwrap()));
    assert!(held_out.iter().all(|row| !train.contains(row)));
}

#[test]
fn every_masked_window_scores_something() {
    let network = Network::parse("bert:16,1,2,32").unwrap();
    let split = open("text", &network, &DataOptions::default()).unwrap();
    let arrays = split.train.batch(0..split.train.len());
    let targets = arrays[1].1.ints().unwrap();
    assert!(targets.chunks(16).all(|window| window.iter().any(|&t| t != -100)));
}

#[test]
fn an_epoch_visits_every_batch_once_and_later_ones_in_another_order() {
    let network = Network::parse("mlp:64-8-10").unwrap();
    let options = DataOptions { samples: Some(110), ..DataOptions::default() };
    let split = open("digits", &network, &options).unwrap();
    let problem = Problem::new(&network, split, Some(10), 4).unwrap();
    assert_eq!((problem.batches.count(), problem.batches.size()), (11, 10));
    let epoch = |e: u64| (0..11).map(|i| problem.batches.of_step(11 * e + i)).collect::<Vec<_>>();
    assert_eq!(epoch(0), (0..11).collect::<Vec<_>>());
    for e in 1..4 {
        let mut order = epoch(e);
        assert_ne!(order, epoch(e - 1));
        order.sort_unstable();
        assert_eq!(order, epoch(0));
    }
    let fixed = Batches::Fixed(problem.batches.arrays(0));
    assert_eq!((fixed.count(), fixed.size(), fixed.of_step(77)), (1, 10, 0));
}
