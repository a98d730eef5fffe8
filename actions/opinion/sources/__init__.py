"""Where posts come from: each kind is one file with one class on `PullSource` or `QueueSource`."""
