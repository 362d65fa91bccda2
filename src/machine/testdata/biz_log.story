at 0 online w1 trade 9 -> session 1.0
at 0 limits biz=100 -> ok
at 0 submit t1 trade + dispatch w1 9 -> accepted 3.0, push 3.1 of 3.0/0 due 0, ready trade
# Each line once, however often it is sent.
at 1 log 3.1 from=0 one two -> ok
at 1 log 3.1 from=0 one two three -> ok
at 1 log 3.1 from=1 two -> ok
show log 3.0/0
    | 4.0 3.1 one
    | 4.1 3.1 two
    | 5.0 3.1 three
# Lines that never came do not make later ones count twice.
at 2 log 3.1 from=10 ten -> ok
at 2 log 3.1 from=10 ten eleven -> ok
show log 3.0/0
    | 4.0 3.1 one
    | 4.1 3.1 two
    | 5.0 3.1 three
    | 7.0 3.1 ten
    | 7.1 3.1 7 lines dropped
    | 8.0 3.1 eleven
# Beyond the limit: one line says how many, however many batches come.
at 3 log 3.1 from=12 x*60 y*60 z -> ok
at 3 log 3.1 from=15 u v -> ok
at 3 log 3.1 from=15 u v w -> ok
show log 3.0/0
    | 4.0 3.1 one
    | 4.1 3.1 two
    | 5.0 3.1 three
    | 7.0 3.1 ten
    | 7.1 3.1 12 lines dropped
    | 8.0 3.1 eleven
    | 9.0 3.1 60 bytes
# Another execution, an ended one: nothing.
at 4 log 99.0 from=0 nobody -> ok
at 4 reclaim 3.1 -> ok, terminate 3.1 on 1.0, ready trade
at 4 log 3.1 from=18 late -> ok
# The next execution begins with an empty log and its own limit.
at 5 dispatch w1 9 -> push 15.0 of 3.0/0 due 0 attempt 2 retries 0 reclaims 1
at 5 log 15.0 from=0 x*90 -> ok
show log 3.0/0
    | 4.0 3.1 one
    | 4.1 3.1 two
    | 5.0 3.1 three
    | 7.0 3.1 ten
    | 7.1 3.1 12 lines dropped
    | 8.0 3.1 eleven
    | 9.0 3.1 60 bytes
    | 16.0 15.0 90 bytes
at 6 complete 15.0 success -> accepted, 3.0/0 succeeded
at 6 log 15.0 from=1 after -> ok
show log 3.0/0
    | 4.0 3.1 one
    | 4.1 3.1 two
    | 5.0 3.1 three
    | 7.0 3.1 ten
    | 7.1 3.1 12 lines dropped
    | 8.0 3.1 eleven
    | 9.0 3.1 60 bytes
    | 16.0 15.0 90 bytes
