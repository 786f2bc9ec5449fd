"""What is done with a trained model: bounds over a data set, and what the latent variable does."""
