//! Signals: faults of a run that its spans show, found without a model.
