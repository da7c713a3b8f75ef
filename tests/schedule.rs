//! Tests of the scheduler: estimators against closed forms, prices against the cost table, savings against algebra.

mod command;
mod estimators;
mod first_order;
mod prices;
mod reproduction;
mod savings;
