"""The two circles: the methods of this package, unchanged, on points that can be seen."""
