//! Quality of answers, without input or output: the statistics of scores.

pub mod intervals;
