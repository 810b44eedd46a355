"""From a trained model to a map and what it is worth: predict, write, assess, report."""
