DROP TABLE circuits;
DROP TABLE blob_chunks;
DROP TABLE blobs;
DROP FUNCTION zkraft_blob_whole();
DROP FUNCTION zkraft_blob_final();
