//! A model that does nothing wrong: `y = x`.

hotstage_guests::model!(|inputs, outputs| hotstage_guests::echo(inputs, outputs));
