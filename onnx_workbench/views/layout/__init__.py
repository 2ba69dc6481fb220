"""The steps of the graph layout: ranks, order within ranks, columns, routes. Numbers in, numbers out."""
