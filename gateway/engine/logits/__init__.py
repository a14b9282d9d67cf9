"""The rules for a model's logits before a token is sampled, and what they say of it. Pure: numpy alone."""
