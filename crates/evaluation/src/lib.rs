//! Quality of answers, without input or output: signals of runs, and the statistics of scores.

pub mod signals;
pub mod statistics;
