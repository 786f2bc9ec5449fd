"""Work with a trained model: bounds over a data set, and the use of the latent variable."""
