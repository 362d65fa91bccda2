at 0 limits reclaims=1001 biz=9999999 window=1 clients=1 -> refused: limits refused: reclaims_max: is 1001; at most 1000; biz_log_bytes_max: is 9999999; at most 1 MiB; request_window: is 1ms; at least 60s, or a retry runs twice; client_kept: is 1ms; at least 60s, or a retry runs twice
at 0 limits reclaims=0 -> ok
at 0 online w1 trade 9 -> session 3.0
at 0 submit t1 trade + dispatch w1 9 -> accepted 4.0, push 4.1 of 4.0/0 due 0, ready trade
at 0 reclaim 4.1 -> ok, terminate 4.1 on 3.0, 4.0/0 dead
show job 4.0
    | t1 rev 1 has ended
    | 4.0/0 due 0 rev 1 dead at 0 executions 1 retries 0 reclaims 1 [4.1 Unknown] error "reclaimed more than 0 times"
at 0 limits reclaims=7 if-window=1000 -> refused: the limits were changed meanwhile
at 0 limits reclaims=7 if-window=86400000 -> ok
