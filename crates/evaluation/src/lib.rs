//! Quality of answers, without input or output: signals of runs, evaluators without a model, and the statistics of scores.

pub mod evaluators;
pub mod signals;
pub mod statistics;
