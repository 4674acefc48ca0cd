//! Quality of answers, without input or output: evaluators, signals of runs, and the statistics of scores.

pub mod evaluators;
pub mod signals;
pub mod statistics;
