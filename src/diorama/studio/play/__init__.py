"""Drive any world with your own hands, in real time, beside reality; record it; guess which of two clips is real."""
