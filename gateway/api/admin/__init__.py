"""What the gateway says of itself: health, metrics, statistics, objectives."""
