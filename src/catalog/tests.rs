//! Unit tests of the catalogue.

use super::*;

fn catalog() -> Catalog {
    load(None).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_model_of_the_contract_is_there_and_passes() {
    let catalog = catalog();
    let wanted = [
        "design-card",
        "q-newton",
        "hhl",
        "cks-chebyshev",
        "cks-fourier",
        "qsvt",
        "qsvt-cks",
        "costa2022",
        "costa2023-measured",
        "costa2023-consistent",
        "jennings2023",
        "jennings2025",
        "dalzell2024",
        "dalzell2024-known-norm",
        "dalzell2024-alg3",
        "costa2026",
        "lower-bound",
        "inverse",
        "lu",
        "cholesky",
        "ldlt",
        "cg",
        "minres",
        "cg-hvp",
        "woodbury",
        "kaczmarz",
        "dequantized",
    ];
    for id in wanted {
        assert!(catalog.model(id).is_ok(), "{id}");
    }
    let mut text = String::new();
    for card in check(&catalog) {
        for f in &card.findings {
            text += &format!("{} {:?} {} {}: {}\n", card.model, card.mark, f.fails, f.check, f.what);
        }
        assert!(card.points >= 20, "{}: {} points", card.model, card.points);
    }
    eprintln!("{text}");
    assert!(!text.contains(" true "), "{text}");
}
