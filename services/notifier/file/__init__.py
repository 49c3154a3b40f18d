"""Files of campaigns and subscriptions: read, checked, every fault with its place."""
