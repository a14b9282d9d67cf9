"""`/dashboard/toy`: a page that no product has, in the form of those of `dashboard.pages`."""
