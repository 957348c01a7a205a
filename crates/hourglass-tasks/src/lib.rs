//! What trained autoencoders are for, as functions from a model and images to results: one file a task. The commands of the
//! program are thin over them.
