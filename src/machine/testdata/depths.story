# How full the queues are, by group: what waits, what is ready and since when, what executes.
at 1000 online w1 trade 2 -> session 1.0
at 1000 submit t1 trade retries=3 delay=500 , t2 trade , t3 trade priority=5 , later trade at=9000 , s1 stock -> accepted 2.0, accepted 2.1, accepted 2.2, accepted 2.3, accepted 2.4, ready trade, ready stock
at 1010 submit c1 trade cron , r1 trade every=100000 first=50000 -> accepted 3.0, accepted 3.1, needs plan 3.0
show depths
    | stock: waiting 0 ready 1 executing 0 ready since 1000
    | trade: waiting 1 ready 3 executing 0 ready since 1000
at 1100 dispatch w1 2 -> push 4.0 of 2.2/0 due 1000, push 4.1 of 2.0/0 due 1000
show depths
    | stock: waiting 0 ready 1 executing 0 ready since 1000
    | trade: waiting 1 ready 1 executing 2 ready since 1000
# A retry is due again with its old instant, so it goes before what has been ready for longer.
at 1200 complete 4.0 success , 4.1 exception -> accepted, accepted, 2.2/0 succeeded
at 1700 tick -> ok, ready trade
at 2000 submit t4 trade -> accepted 7.0, ready trade
show depths
    | stock: waiting 0 ready 1 executing 0 ready since 1000
    | trade: waiting 1 ready 3 executing 0 ready since 1000
at 2100 dispatch w1 2 -> push 8.0 of 2.0/0 due 1000 attempt 2 retries 1 reclaims 0, push 8.1 of 2.1/0 due 1000
show depths
    | stock: waiting 0 ready 1 executing 0 ready since 1000
    | trade: waiting 1 ready 1 executing 2 ready since 2000
at 9000 tick -> ok, ready trade
show depths
    | stock: waiting 0 ready 1 executing 0 ready since 1000
    | trade: waiting 0 ready 2 executing 2 ready since 2000
