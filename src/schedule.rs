//! The Q-Newton scheduler: estimate, price both sides, choose, log why.
