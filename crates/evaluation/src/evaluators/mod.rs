//! Evaluators without a model.
