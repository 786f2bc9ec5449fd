"""`VRNN`, the model that is trained, and the rooms around it: inputs, states, loss, generation."""
