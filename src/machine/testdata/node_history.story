# Who came and who went: a hello of the same process start is no event.
at 10 online w1 trade 4 start=7 -> session 1.0
at 20 online w1 trade 4 start=7 -> session 1.0
at 30 online w2 trade 4 start=1 -> session 3.0
show nodes
    | 1.1 at 10 TaskTracker trade/w1 1.0 online
    | 3.1 at 30 TaskTracker trade/w2 3.0 online
# A new start takes the place of one that is online: its end is history too.
at 40 online w1 trade 4 start=8 -> session 4.0
at 50 offline w2 silent -> ok
at 60 offline w1 left -> ok
at 70 online w2 trade 4 start=1 -> session 7.0
show nodes
    | 1.1 at 10 TaskTracker trade/w1 1.0 online
    | 3.1 at 30 TaskTracker trade/w2 3.0 online
    | 4.1 at 40 TaskTracker trade/w1 1.0 offline Replaced
    | 4.2 at 40 TaskTracker trade/w1 4.0 online
    | 5.0 at 50 TaskTracker trade/w2 3.0 offline Silent
    | 6.0 at 60 TaskTracker trade/w1 4.0 offline Left
    | 7.1 at 70 TaskTracker trade/w2 7.0 online
# By number: the oldest go.
at 80 limits eventsmax=3 -> ok
at 80 expire -> ok
show nodes
    | 5.0 at 50 TaskTracker trade/w2 3.0 offline Silent
    | 6.0 at 60 TaskTracker trade/w1 4.0 offline Left
    | 7.1 at 70 TaskTracker trade/w2 7.0 online
# By age.
at 200 limits eventsmax=100 events=135 -> ok
at 200 expire -> ok
show nodes
    | 7.1 at 70 TaskTracker trade/w2 7.0 online
at 900 expire -> ok
show nodes
