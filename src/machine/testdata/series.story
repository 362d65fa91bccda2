# A leader tells of its groups once a minute; what the counters grew by comes from the tables, so nothing is lost with it.
at 60000 submit t1 trade , t2 trade -> accepted 1.0, accepted 1.1, ready trade
at 60010 online w1 trade 2 -> session 2.0
at 60020 dispatch w1 1 -> push 3.0 of 1.0/0 due 60000
at 60030 complete 3.0 success -> accepted, 1.0/0 succeeded
at 60040 stats trade ready=1 executing=0 oldest=40 wait=20 run=7,9 -> ok
show stats
    | 0 trade received 2 pushed 1 success 1 failed 0 later 0 exception 0 fixed 0 waiting 0 ready 1 executing 0 oldest 40ms wait 1 p50 21 p99 21 run 2 p50 7 p99 9 late 0 p50 0 p99 0
    | 1 rows are counted

# A group that never had a job has no row.
at 60050 stats stranger ready=9 -> ok
show stats
    | 0 trade received 2 pushed 1 success 1 failed 0 later 0 exception 0 fixed 0 waiting 0 ready 1 executing 0 oldest 40ms wait 1 p50 21 p99 21 run 2 p50 7 p99 9 late 0 p50 0 p99 0
    | 1 rows are counted

# Within the same minute another leader gathers: spans add up, the rest is as it is now.
at 90000 dispatch w1 1 -> push 7.0 of 1.1/0 due 60000
at 90010 complete 7.0 later -> accepted, 1.1/0 dead
at 90020 stats trade waiting=1 wait=30000 run=5 -> ok
show stats
    | 0 trade received 2 pushed 2 success 1 failed 0 later 1 exception 0 fixed 0 waiting 1 ready 0 executing 0 oldest 0ms wait 2 p50 21 p99 30719 run 3 p50 7 p99 9 late 0 p50 0 p99 0
    | 1 rows are counted

# The next row has what happened since the last one.
at 120000 stats trade -> ok
show stats
    | 0 trade received 2 pushed 2 success 1 failed 0 later 1 exception 0 fixed 0 waiting 1 ready 0 executing 0 oldest 0ms wait 2 p50 21 p99 30719 run 3 p50 7 p99 9 late 0 p50 0 p99 0
    | 60000 trade received 0 pushed 0 success 0 failed 0 later 0 exception 0 fixed 0 waiting 0 ready 0 executing 0 oldest 0ms wait 0 p50 0 p99 0 run 0 p50 0 p99 0 late 0 p50 0 p99 0
    | 2 rows are counted

# What a TaskTracker tells is of the minute that it says, also of one in which it was cut off, and told again it is the same.
at 125000 sample w1 trade 60999 success=1 later=1 time=12 memory=1000 -> ok
at 125000 sample w1 trade 120001 running=2 memory=2000 -> ok
at 125010 sample w1 trade 120001 running=2 memory=2000 -> ok
# Its clock may be ahead by a minute; a row of days to come would be there for ever.
at 125020 sample w1 trade 185020 running=1 -> ok
at 125020 sample w1 trade 185021 running=1 -> ok
at 125030 node-sample n1 sst=4096 -> ok
show stats
    | 0 trade received 2 pushed 2 success 1 failed 0 later 1 exception 0 fixed 0 waiting 1 ready 0 executing 0 oldest 0ms wait 2 p50 21 p99 30719 run 3 p50 7 p99 9 late 0 p50 0 p99 0
    | 60000 trade received 0 pushed 0 success 0 failed 0 later 0 exception 0 fixed 0 waiting 0 ready 0 executing 0 oldest 0ms wait 0 p50 0 p99 0 run 0 p50 0 p99 0 late 0 p50 0 p99 0
    | 60000 trade/w1 success 1 later 1 time 12ms running 0 memory 1000
    | 120000 trade/w1 success 0 later 0 time 0ms running 2 memory 2000
    | 180000 trade/w1 success 0 later 0 time 0ms running 1 memory 0
    | 60000 jobtracker n1 sst 4096
    | 6 rows are counted

# A question of some minutes: counts add up, what stood has its greatest, quantiles are of all spans.
show series groups 60000
    | receiveJobNum 0: 2, 60000: 0
    | pushJobNum 0: 2, 60000: 0
    | exeSuccessNum 0: 1, 60000: 0
    | exeLaterNum 0: 1, 60000: 0
    | succeeded 0: 1, 60000: 0
    | dead 0: 1, 60000: 0
    | waiting 0: 1, 60000: 0
    | waitP50 0: 21
    | waitP90 0: 30719
    | waitP99 0: 30719
    | runP50 0: 7
    | runP90 0: 9
    | runP99 0: 9
show series groups:trade 120000
    | receiveJobNum 0: 2
    | pushJobNum 0: 2
    | exeSuccessNum 0: 1
    | exeLaterNum 0: 1
    | succeeded 0: 1
    | dead 0: 1
    | waiting 0: 1
    | waitP50 0: 21
    | waitP90 0: 30719
    | waitP99 0: 30719
    | runP50 0: 7
    | runP90 0: 9
    | runP99 0: 9
show series trackers 60000
    | exeSuccessNum 60000: 1, 120000: 0, 180000: 0
    | exeLaterNum 60000: 1, 120000: 0, 180000: 0
    | totalRunningTime 60000: 12, 120000: 0, 180000: 0
    | running 60000: 0, 120000: 2, 180000: 1
    | memoryBytes 60000: 1000, 120000: 2000, 180000: 0
show series trackers:trade/w1 240000
    | exeSuccessNum 0: 1
    | exeLaterNum 0: 1
    | totalRunningTime 0: 12
    | running 0: 2
    | memoryBytes 0: 2000
show series trackers:stock 60000
show series jobtrackers 60000
    | sstBytes 60000: 4096
show series jobtrackers:/n1 60000
    | sstBytes 60000: 4096

# By age: whole minutes go when they are older than what is kept. What is told of them later is not kept either.
at 125040 limits stats=60000 -> ok
at 190000 expire -> ok
show stats
    | 120000 trade/w1 success 0 later 0 time 0ms running 2 memory 2000
    | 180000 trade/w1 success 0 later 0 time 0ms running 1 memory 0
    | 2 rows are counted
at 190010 sample w1 trade 130009 success=5 -> ok
at 190010 sample w1 trade 130010 success=6 -> ok
show stats
    | 120000 trade/w1 success 6 later 0 time 0ms running 0 memory 0
    | 180000 trade/w1 success 0 later 0 time 0ms running 1 memory 0
    | 2 rows are counted

# By number: the oldest go first, whichever table they are in.
at 190020 stats trade -> ok
at 190020 node-sample n1 sst=5 -> ok
at 190020 limits rows=3 -> ok
at 190030 expire -> ok
show stats
    | 120000 trade/w1 success 6 later 0 time 0ms running 0 memory 0
    | 180000 trade/w1 success 0 later 0 time 0ms running 1 memory 0
    | 120000 jobtracker n1 sst 5
    | 3 rows are counted
