# Nothing of a paused group is dispatched: what is ready gathers, what is due ripens, what executes ends.
at 1000 online w1 trade 4 + online w2 stock 4 -> session 1.0, session 1.2
at 1000 submit t1 trade retries=1 delay=500 , t2 trade at=2000 , t3 stock -> accepted 2.0, accepted 2.1, accepted 2.2, ready trade, ready stock
at 1100 dispatch w1 4 -> push 3.0 of 2.0/0 due 1000
at 1200 pause trade ann disk -> switched
at 1300 pause trade bob other -> as before
show paused
    | trade since 1200 by ann (disk)
at 1400 dispatch w1 4 -> refused: node group trade is paused
at 1400 dispatch w2 4 -> push 7.0 of 2.2/0 due 1000
at 1500 complete 3.0 later -> accepted
at 2000 tick -> ok, ready trade
at 2100 dispatch w1 4 -> refused: node group trade is paused
show ready trade
    | k: [2.0/0, 2.1/0]

# A pause is no misfire, however long it lasts; a start deadline counts on.
at 3000 submit r1 trade every=60000 norely misfire=skip , t4 trade deadline=1000 -> accepted 11.0, accepted 11.1, ready trade
at 3000 tick -> ok, ready trade
at 63000 tick -> ok, 11.1/0 skipped DeadlinePassed 1 to 3000, ready trade
at 123000 tick -> ok, ready trade
show ready trade
    | k: [2.0/0, 2.1/0, 11.0/0, 11.0/1, 11.0/2]
at 124000 resume trade -> switched, ready trade
at 124000 resume trade -> as before
at 124000 dispatch w1 9 -> push 17.0 of 2.0/0 due 1000 attempt 2 retries 1 reclaims 0, push 17.1 of 2.1/0 due 2000, push 17.2 of 11.0/0 due 3000, push 17.3 of 11.0/1 due 63000
show paused

# A group may be paused before anybody has heard of it.
at 125000 pause later ann -> switched
at 125100 submit t1 later -> accepted 19.0, ready later
at 125200 online w9 later 1 -> session 20.0
at 125300 dispatch w9 1 -> refused: node group later is paused
at 125400 resume later + dispatch w9 1 -> switched, push 22.0 of 19.0/0 due 125100, ready later
