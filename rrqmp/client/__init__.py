"""The producer's side: executor, builder, futures; thin over the store's calls."""
