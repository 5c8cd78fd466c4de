-- One row fills a page: whether one more can be stored tells whether the database has room to grow.
CREATE TABLE room (filler text STORAGE PLAIN);
