"""Alert packets of surveys, decoded: Avro, Parquet and archives in, plain values out."""
