# Whatever the leader wants, a session gets no more than its free slots.
at 0 online w1 trade 2 -> session 1.0
at 0 submit a trade , b trade , c trade , d trade -> accepted 2.0, accepted 2.1, accepted 2.2, accepted 2.3, ready trade
at 0 dispatch w1 9 -> push 3.0 of 2.0/0 due 0, push 3.1 of 2.1/0 due 0
at 0 dispatch w1 9 -> nothing
at 1 complete 3.0 success + dispatch w1 9 + dispatch w1 9 -> accepted, push 5.0 of 2.2/0 due 0, nothing, 2.0/0 succeeded
# No slots at all; a session that nobody has; one that is offline.
at 2 online w2 trade 0 -> session 6.0
at 2 dispatch w2 9 -> nothing
at 2 dispatch 99.0 9 -> refused: session 99.0 is not a TaskTracker's current one
at 3 offline w2 left -> ok
at 3 dispatch w2 9 -> refused: session 6.0 is not a TaskTracker's current one
# The capacity is lowered below what executes: nothing more until it fits.
at 4 online w1 trade 1 -> session 1.0, told 1.0
at 4 dispatch w1 9 -> nothing
at 5 complete 3.1 success + dispatch w1 9 -> accepted, nothing, 2.1/0 succeeded
at 6 complete 5.0 success + dispatch w1 9 -> accepted, push 14.0 of 2.3/0 due 0, 2.2/0 succeeded
show trackers
    | trade/w1 session 1.0 start 1 online since 0 capacity 1
    | trade/w2 session 6.0 start 1 offline Left since 3 capacity 0
