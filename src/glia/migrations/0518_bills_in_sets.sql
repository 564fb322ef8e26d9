-- A pass posts all of its bookings in one statement now.
drop function post_bill(uuid, uuid, text, bigint, text, uuid, text);
