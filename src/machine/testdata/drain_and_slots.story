# A drained TaskTracker gets nothing new, through reconnects and new starts, until it is undrained.
at 1000 online w1 trade 2 -> session 1.0
at 1000 submit t1 trade , t2 trade , t3 trade , t4 trade -> accepted 2.0, accepted 2.1, accepted 2.2, accepted 2.3, ready trade
at 1100 dispatch w1 1 -> push 3.0 of 2.0/0 due 1000
at 1200 drain w1 trade ann disk -> switched, told 1.0
at 1300 drain w1 trade bob other -> as before
at 1400 dispatch w1 9 -> refused: session 1.0 is draining
at 1500 complete 3.0 success -> accepted, 2.0/0 succeeded
at 1600 online w1 trade 2 -> session 1.0
at 1700 dispatch w1 9 -> refused: session 1.0 is draining
at 1800 offline w1 left -> ok
at 1900 undrain w9 trade -> refused: TaskTracker w9 of node group trade is unknown or expired
at 1900 drain w1 trade bob disk leave -> refused: TaskTracker w1 of node group trade is not online
at 2000 online w1 trade 2 start=2 -> session 13.0
show trackers
    | trade/w1 session 13.0 start 2 online since 2000 capacity 2 drained since 1200 by ann (disk)
at 2100 dispatch w1 9 -> refused: session 13.0 is draining
at 2200 undrain w1 trade -> switched, told 13.0, ready trade
at 2300 undrain w1 trade -> as before
at 2400 dispatch w1 9 -> push 17.0 of 2.1/0 due 1000, push 17.1 of 2.2/0 due 1000

# A smaller number of slots takes nothing back; a larger one goes before what the TaskTracker said.
at 3000 slots w1 trade 1 -> switched, told 13.0, ready trade
at 3100 complete 17.0 success -> accepted, 2.1/0 succeeded
at 3200 dispatch w1 9 -> nothing
at 3300 complete 17.1 success -> accepted, 2.2/0 succeeded
at 3400 slots w1 trade 9 -> switched, told 13.0, ready trade
at 3500 submit a trade , b trade , c trade -> accepted 23.0, accepted 23.1, accepted 23.2, ready trade
at 3600 dispatch w1 9 -> push 24.0 of 2.3/0 due 1000, push 24.1 of 23.0/0 due 3500, push 24.2 of 23.1/0 due 3500, push 24.3 of 23.2/0 due 3500
at 3700 slots w1 trade - -> switched, told 13.0, ready trade
at 3700 slots w1 trade - -> as before
at 3700 slots w9 trade 3 -> refused: TaskTracker w9 of node group trade is unknown or expired
at 3800 submit d trade -> accepted 28.0, ready trade
at 3900 dispatch w1 9 -> nothing

# Who is told to leave leaves; a new start of it stays, drained.
at 4000 drain w1 trade ann rack leave -> switched, told 13.0
show trackers
    | trade/w1 session 13.0 start 2 online since 2000 capacity 2 drained since 4000 by ann (rack) and leaves
at 4100 online w1 trade 2 start=2 -> session 13.0
show trackers
    | trade/w1 session 13.0 start 2 online since 2000 capacity 2 drained since 4000 by ann (rack) and leaves
at 4200 offline w1 left -> ok, terminate 24.0 on 13.0, ready trade, terminate 24.1 on 13.0, ready trade, terminate 24.2 on 13.0, ready trade, terminate 24.3 on 13.0, ready trade
at 4300 online w1 trade 2 start=3 -> session 33.0
show trackers
    | trade/w1 session 33.0 start 3 online since 4300 capacity 2 drained since 4000 by ann (rack)
at 4400 dispatch w1 9 -> refused: session 33.0 is draining
